import ArgumentParser
import AutogradBase
import AutogradModels
import AutogradFormats
import AutogradTraining

struct InspectCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a model directory, a checkpoint or a safetensors file holds.",
    discussion: """
      Shows the configuration, and names, types, shapes and sizes of the tensors; of a run its checkpoints, and of a
      checkpoint how far the run was and with what settings. Checkpoints are verified: exit code 8 where one is damaged.
      """)

  static let examples = [
    "autograd inspect runs/book",
    "autograd inspect runs/book/checkpoints/step-00001000",
  ]

  @Argument(help: ArgumentHelp("A model directory, a checkpoint or a .safetensors file.", valueName: "path"))
  var path: String

  mutating func run() throws { try reportingErrors { try inspect() } }

  private func inspect() throws {
    let files = POSIXFileSystem()
    if files.exists(path + "/manifest.json") { show(try Checkpoint(path)) }
    let directory = ModelDirectory(path), weights = directory.weightsPath
    let isDirectory = !path.hasSuffix(".safetensors") && !path.hasSuffix(".json") && files.exists(weights)
    if isDirectory { show(try directory.configuration()) }
    let hasCheckpoints = files.isDirectory(path + "/checkpoints")
    if isDirectory || !hasCheckpoints {
      show(try TensorSummary(path: isDirectory ? weights : path, fileSystem: files))
    }
    if hasCheckpoints { try showCheckpoints(CheckpointStore(folder: path + "/checkpoints")) }
  }

  private func show(_ checkpoint: Checkpoint) {
    let record = checkpoint.record, progress = record.progress, configuration = record.settings.configuration
    let data = record.data, text = data.path?.escapedForDisplay ?? "the stories"
    var rows = [
      ("step", "\(progress.step) of \(configuration.maximumSteps)" + (record.isFinished ? ", finished" : "")),
      ("tokens seen", progress.tokens.grouped),
      ("verified", "every file has the size and the SHA-256 of its manifest"),
      ("fingerprint", "\(record.fingerprint)"),
      ("data", "\(text), \(data.byteCount.bytes), SHA-256 \(data.sha256.prefix(12))"),
      ("settings", record.settings.description),
      ("instructions", record.instructionSet),
    ]
    if let loss = record.validationLoss { rows.insert(("validation loss", loss.fixed(4)), at: 1) }
    if let best = progress.bestEvaluation {
      rows.insert(("best so far", "\(best.validationLoss.fixed(4)) at step \(best.step)"), at: 2)
    }
    if progress.accumulated > 0 {
      let count = configuration.accumulation
      rows.append(("under way", "\(progress.accumulated) of \(count) batches of step \(progress.step + 1)"))
    }
    if let evaluation = progress.evaluation {
      rows.append(("under way", "an evaluation, \(evaluation.batches) batches of part \(evaluation.part + 1) of 2"))
    }
    for (name, value) in rows { Console.showLine(name + String(repeating: " ", count: 17 - name.count) + value) }
  }

  private func showCheckpoints(_ store: CheckpointStore) throws {
    let best = try store.best(), entries = try store.entries()
    var problems: [CheckpointError] = []
    Console.showLine(entries.isEmpty ? "no checkpoints" : "checkpoints:")
    for entry in entries {
      var notes: [String] = []
      do throws(CheckpointError) {
        let record = try Checkpoint(store.path(entry)).record
        if let loss = record.validationLoss { notes.append("validation loss \(loss.fixed(4))") }
        notes.append("fingerprint \(record.fingerprint.short)")
        if entry == best { notes.append("best") }
        if entry == entries.last { notes.append("newest") }
      } catch {
        notes = ["\(error)"]
        problems.append(error)
      }
      Console.showLine("  " + store.path(entry) + "  " + notes.joined(separator: ", "))
    }
    try report(problems, of: entries.count, in: store.folder)
  }

  /// Once all is shown: the code of what is wrong. What the system could not read may well be good.
  private func report(_ problems: [CheckpointError], of count: Int, in folder: String) throws {
    let damaged = problems.count { if case .damaged = $0 { true } else { false } }
    guard damaged > 0 else {
      if let first = problems.first { throw first }
      return
    }
    throw InputError(
      sentence: "\(damaged) of the \(count) checkpoints in \(folder) \(damaged == 1 ? "is" : "are") damaged, as shown",
      exit: .noCheckpoint)
  }

  private func show(_ configuration: DecoderConfiguration) { Console.showLine("\(configuration)") }

  private func show(_ summary: TensorSummary) {
    // Whatever the file calls its tensors, a terminal must not obey it.
    let names = summary.tensors.map(\.name.escapedForDisplay), width = names.map(\.count).max() ?? 0
    for (name, entry) in zip(names, summary.tensors) {
      let shape = "[" + entry.shape.map(String.init).joined(separator: ", ") + "]"
      Console.showLine(
        name + String(repeating: " ", count: width - name.count + 2) + entry.dtype.name + "  " + shape
          + String(repeating: " ", count: max(1, 16 - shape.count)) + entry.byteCount.bytes)
    }
    for (key, value) in summary.metadata {
      Console.showLine("metadata \(key.escapedForDisplay): \(value.escapedForDisplay)")
    }
    let elements = summary.tensors.reduce(0) { $0 + $1.elementCount }
    let bytes = summary.tensors.reduce(0) { $0 + $1.byteCount }
    Console.showLine("\(summary.tensors.count) tensors, \(elements.grouped) numbers, \(bytes.bytes)")
  }
}
