public import AutogradBase
import AutogradModels
import AutogradNeuralNetwork
public import AutogradText

/// One checkpoint, verified: a model directory that also holds what the optimiser remembers (`optimizer.safetensors`),
/// how far the run had come (`training.json`) and the hashes of all files (`manifest.json`).
public struct Checkpoint: Sendable {
  public let path: String
  public let record: RunRecord
  private let fileSystem: any FileSystem

  static let optimizerFile = "optimizer.safetensors"

  /// Verifies every file, then reads the record; the tensors are left alone.
  ///
  /// - Throws: `none` where the folder is no checkpoint, `damaged`.
  public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) throws(CheckpointError) {
    guard fileSystem.exists(path + "/" + CheckpointManifest.name) else { throw .none(path: path) }
    try CheckpointStore(folder: parentDirectory(of: path), fileSystem: fileSystem).verify(path)
    try self.init(verified: path, fileSystem: fileSystem)
  }

  /// Reads the record of a checkpoint that was verified.
  init(verified path: String, fileSystem: any FileSystem) throws(CheckpointError) {
    self.path = path
    self.fileSystem = fileSystem
    record = try Checkpoint.record(path, fileSystem)
  }

  /// The record alone, whether the other files are good or not.
  static func record(_ path: String, _ fileSystem: any FileSystem) throws(CheckpointError) -> RunRecord {
    let model: DecoderConfiguration, bytes: [UInt8]
    do throws(LanguageModelError) {
      model = try ModelDirectory(path, fileSystem: fileSystem).configuration()
    } catch {
      throw CheckpointError(reading: path, error)
    }
    do throws(FileError) {
      bytes = try fileSystem.read(path + "/" + RunRecord.checkpointFile, byteLimit: 1 << 24)
    } catch {
      throw CheckpointError(reading: path, error)
    }
    do {
      return try RunRecord(json: try JSON(parsing: bytes), model: model)
    } catch let problem as RecordProblem {
      throw .damaged(path: path, "\(RunRecord.checkpointFile): \(problem.sentence)")
    } catch {
      throw .damaged(path: path, "\(RunRecord.checkpointFile): \(error)")
    }
  }

  /// Reads the tokenizer that the run had.
  ///
  /// - Throws: `damaged`; `file` where the system could not read it.
  public func tokenizer() throws(CheckpointError) -> any Tokenizer {
    do throws(LanguageModelError) {
      return try ModelDirectory(path, fileSystem: fileSystem).tokenizer()
    } catch {
      throw CheckpointError(reading: path, error)
    }
  }

  /// What the user should know where other instructions go on: nil where they are the same.
  public func otherInstructions(than trainer: Trainer) -> String? {
    record.otherInstructions(than: trainer, whose: path)
  }

  /// Puts a run of the same model and settings where this checkpoint was made, bit for bit, which the fingerprint
  /// proves.
  ///
  /// - Throws: `unfit`, `damaged`.
  public func restore(into trainer: Trainer) throws(CheckpointError) {
    guard record.model == trainer.model.configuration else {
      throw .unfit("\(path) holds a model of another configuration; make the model from the checkpoint's")
    }
    guard record.progress.accumulated < max(1, trainer.configuration.accumulation) else {
      throw .unfit("\(path) holds more batches of a step than the settings ask for")
    }
    if let problem = record.otherBase(than: trainer.weights, whose: path) { throw .unfit(problem) }
    do throws(LanguageModelError) {
      try trainer.weights.load(from: path, fileSystem: fileSystem)
    } catch {
      throw CheckpointError(reading: path, error)
    }
    do throws(ModuleFileError) {
      try trainer.restore(
        optimizerFile: path + "/" + Checkpoint.optimizerFile, progress: record.progress, curve: record.curve,
        fileSystem: fileSystem)
    } catch {
      throw CheckpointError(reading: path, error)
    }
    guard trainer.fingerprint() == record.fingerprint else {
      throw .damaged(
        path: path, "what was read does not have the fingerprint \(record.fingerprint.short) that was saved")
    }
  }
}
