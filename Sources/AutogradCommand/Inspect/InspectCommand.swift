import ArgumentParser
import AutogradBase
import AutogradFormats
import AutogradModels
import AutogradTraining

struct InspectCommand: ParsableCommand, HasExamples {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a model, a run, a checkpoint or a weights' file holds.",
    discussion: """
      Shows the configuration, tokenizer, chat template and licence, and names, types, shapes and sizes of the tensors;
      of a run its checkpoints, and of a checkpoint how far the run was and with what settings. Checkpoints are
      verified: exit code 8 where one is damaged.
      """)

  static let examples = [
    "autograd inspect runs/book",
    "autograd inspect SmolLM2-135M-Instruct.gguf --json",
  ]

  @Argument(
    help: ArgumentHelp("A model directory, a checkpoint, a .gguf or a .safetensors file.", valueName: "path"))
  var path: String

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func run() throws { try reportingErrors { try inspect() } }

  private func inspect() throws {
    let files = POSIXFileSystem(), checkpoints = path + "/checkpoints"
    let hasCheckpoints = files.isDirectory(checkpoints)
    let checkpoint = files.exists(path + "/manifest.json") ? try Checkpoint(path) : nil
    let isModel = files.exists(ModelDirectory(path).weightsPath) || AdapterDirectory.isAdapter(path)
    let report = try hasCheckpoints && !isModel ? nil : modelReport(files)
    guard !json else {
      return show(try object(report, checkpoint, hasCheckpoints ? CheckpointStore(folder: checkpoints) : nil))
    }
    if let checkpoint { show(checkpoint) }
    report?.show()
    if hasCheckpoints { try showCheckpoints(CheckpointStore(folder: checkpoints)) }
  }

  /// - Returns: What the path holds of a model; of a weights' file just its tensors.
  private func modelReport(_ files: POSIXFileSystem) throws -> ModelReport {
    if AdapterDirectory.isAdapter(path) { return try ModelReport(AdapterDirectory(path), path: path) }
    let isWeights = path.hasSuffix(".safetensors") || path.hasSuffix(".json")
    let model = isWeights ? nil : try openModel(path, fileSystem: files)
    if let model, model is GGUFModel || files.exists(ModelDirectory(path).weightsPath) {
      return try ModelReport(model, path: path)
    }
    return ModelReport(try TensorSummary(path: path, fileSystem: files), path: path)
  }

  private func object(_ report: ModelReport?, _ checkpoint: Checkpoint?, _ store: CheckpointStore?) throws -> JSON {
    var members = report?.object ?? [JSON.Member("path", .string(path))]
    if let checkpoint { members += [JSON.Member("checkpoint", checkpoint.record.summary)] }
    guard let store else { return .object(members) }
    let list = try store.entries().map { entry in
      var members = [JSON.Member("path", .string(store.path(entry)))]
      do throws(CheckpointError) {
        members += (try Checkpoint(store.path(entry)).record.summary.objectValue ?? [])
      } catch {
        members.append(JSON.Member("error", .string("\(error)")))
      }
      return JSON.object(members)
    }
    return .object(members + [JSON.Member("checkpoints", .array(list))])
  }

  private func show(_ object: JSON) { Console.showLine(String(decoding: object.serialized(), as: UTF8.self)) }

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
}

extension RunRecord {
  /// How far the run was, for programs.
  fileprivate var summary: JSON {
    var members = [
      JSON.Member("step", .integer(Int64(progress.step))), JSON.Member("tokens_seen", .integer(Int64(progress.tokens))),
      JSON.Member("fingerprint", .string("\(fingerprint)")), JSON.Member("settings", .string(settings.description)),
    ]
    if let validationLoss { members.append(JSON.Member("validation_loss", .number(validationLoss))) }
    return .object(members)
  }
}
