import AutogradBase
import AutogradModels

/// What a run was begun with: on the disk before its first step, so that a run that is killed before its first
/// checkpoint begins again and ends with the same bits. The file `run.json` in the run directory.
///
/// Weights are not in it: new ones follow from the seed, others are read again from where they came. The fingerprint
/// shows that they are the same.
public struct RunStart: Sendable {
  public let setup: RunSetup
  /// Of the state before the first step.
  public let fingerprint: Fingerprint
  public let instructionSet: String

  static let fileName = "run.json"
  private static let format = "swift-autograd run"
  private static let version = 1
  static let byteLimit = 1 << 20

  /// What a run begins with that has not done a step yet.
  init(of trainer: Trainer, _ setup: RunSetup) {
    self.setup = setup
    fingerprint = trainer.fingerprint()
    instructionSet = trainer.instructionSet
  }

  /// Makes sure that a run begins where this one began.
  ///
  /// - Returns: What the user should know where other instructions begin it; nil where they are the same.
  /// - Throws: `unfit` where the weights are others.
  public func check(_ trainer: Trainer) throws(CheckpointError) -> String? {
    let found = trainer.fingerprint(), isSameMachine = trainer.instructionSet == instructionSet
    if found == fingerprint {
      return isSameMachine ? nil : RunStart.difference("the run", instructionSet, trainer.instructionSet)
    }
    if let source = setup.initFrom {
      throw .unfit(
        "the weights in \(source.escapedForDisplay) are not those that the run began with (\(found.short), not "
          + "\(fingerprint.short)); start a new run, without --resume")
    }
    guard isSameMachine else { return RunStart.difference("the run", instructionSet, trainer.instructionSet) }
    throw .unfit(
      "new weights are not those that the run began with (\(found.short), not \(fingerprint.short)): another version "
        + "began it; start a new run, without --resume")
  }

  /// What other instructions mean for a run that goes on.
  static func difference(_ whose: String, _ before: String, _ now: String) -> String {
    "\(whose) was made with \(before) instructions and this run has \(now): its results will differ in the last bits"
  }

  // MARK: As a file

  package var bytes: [UInt8] {
    JSON.object(
      [JSON.Member("format", .string(RunStart.format)), JSON.Member("version", .integer(Int64(RunStart.version)))]
        + setup.members
        + [
          JSON.Member("model", setup.model.json), JSON.Member("fingerprint", .string(fingerprint.hexadecimal)),
          JSON.Member("instruction_set", .string(instructionSet)),
        ]
    ).serialized(pretty: true)
  }

  /// Reads a start from outside.
  ///
  /// - Throws: `damaged`, with what is wrong in words.
  package init(parsing bytes: [UInt8], path: String) throws(CheckpointError) {
    do {
      let json = try JSON(parsing: bytes), fields = Fields(json)
      guard RunStart.isStart(json) else { throw RecordProblem(sentence: "it is no run's beginning") }
      guard try fields.count("version") == RunStart.version else {
        throw RecordProblem(sentence: "it is of another version than \(RunStart.version)")
      }
      let model = try DecoderConfiguration(json: json["model"] ?? .null, path: path)
      setup = try RunSetup(fields, model: model)
      fingerprint = Fingerprint(hexadecimal: try fields.string("fingerprint"))
      instructionSet = try fields.string("instruction_set")
    } catch let problem as RecordProblem {
      throw .damaged(path: path, problem.sentence)
    } catch {
      throw .damaged(path: path, "\(error)")
    }
  }

  private static func isStart(_ json: JSON) -> Bool { json["format"]?.stringValue == format }

  /// Whether a folder holds the beginning of a run, readable in every part or not.
  static func stands(in folder: String, _ fileSystem: some FileSystem) -> Bool {
    guard let bytes = try? fileSystem.read(folder + "/" + fileName, byteLimit: byteLimit),
      let json = try? JSON(parsing: bytes)
    else { return false }
    return isStart(json)
  }
}
