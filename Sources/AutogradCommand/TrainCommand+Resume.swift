import AutogradBase
import AutogradModels
import AutogradTraining

/// Going on with a run. A folder is looked at before it is locked, and what is refused has changed nothing.
extension TrainCommand {
  func resume() throws {
    let named = try resuming.path.map { try NamedBeginning($0, out: out) }
    let place = out ?? named?.run ?? defaultOut, existing = try RunDirectory.existing(place)
    if let path = named?.checkpoint { return try goOn(fromCheckpointAt: path, in: existing, place) }
    if let existing, let beginning = try existing.newestCheckpoint() {
      return try go(on: try run(from: beginning.checkpoint), from: beginning, in: existing)
    }
    if let existing, let start = try existing.start() { return try begin(again: start, in: existing) }
    if named != nil { throw CheckpointError.noRun(path: place) }
    let run = try newRun(), directory = try existing ?? RunDirectory(place)
    let superseded = try directory.startAfresh()
    tellBeginning(directory)
    try run.execute(in: directory, superseded: superseded)
  }

  private func tellBeginning(_ directory: RunDirectory) {
    Console.showLine("no checkpoint in \(directory.path) yet: starting afresh")
  }

  /// Begins a run again that ended before its first checkpoint, with what it was begun with.
  private func begin(again start: RunStart, in directory: RunDirectory) throws {
    let settings = try settings(
      of: start.setup, whose: "the run in \(directory.path) was begun", orElse: "start a new run, without --resume")
    let weights = try start.setup.initFrom.map { try ModelDirectory($0).load(dropout: start.setup.model.dropout.common) }
    let source = try TextSource(
      path: data ?? start.setup.data.path, tokenizer: weights?.tokenizer, expected: start.setup.data)
    let run = try PreparedRun(source, start.setup, settings, weights: weights?.model, training).run()
    try run.trainer.takeMemory()
    if let warning = try start.check(run.trainer) { Console.writeError("warning: \(warning)") }
    tellBeginning(directory)
    try run.execute(in: directory)
  }

  /// Goes on from a checkpoint of this run, or of another one where this run is yet to be made.
  private func goOn(fromCheckpointAt path: String, in existing: RunDirectory?, _ place: String) throws {
    if let existing {
      let beginning = try existing.checkpoint(at: path)
      return try go(on: try run(from: beginning.checkpoint), from: beginning, in: existing)
    }
    let run = try run(from: try Checkpoint(path)), directory = try RunDirectory(place)
    try go(on: run, from: try directory.checkpoint(at: path), in: directory)
  }

  private func go(on run: TrainingRun, from beginning: RunDirectory.Beginning, in directory: RunDirectory) throws {
    for note in try directory.settle(beginning) { Console.writeError("warning: \(note)") }
    try run.execute(in: directory, from: beginning.checkpoint)
  }

  private func run(from checkpoint: Checkpoint) throws -> TrainingRun {
    let setup = checkpoint.record.setup
    let settings = try settings(
      of: setup, whose: "\(checkpoint.path) was made", orElse: "start a new run from its weights with --init-from")
    let source = try TextSource(
      path: data ?? setup.data.path, tokenizer: try checkpoint.tokenizer(), expected: setup.data)
    return try PreparedRun(source, setup, settings, training).run(drawing: false)
  }

  // MARK: Settings

  /// The settings of a run, and what the options change in them.
  ///
  /// - Throws: Where an option contradicts them that may not.
  private func settings(of setup: RunSetup, whose: String, orElse: String) throws -> RunSettings {
    let settings = RunSettings(setup), (asked, given) = try askedSettings(setup)
    let contradictions = settings.contradictions(to: asked, given: given)
    guard contradictions.isEmpty else {
      throw InputError(
        sentence: "\(whose) with \(contradictions.joined(separator: ", ")); leave these options out, or \(orElse)")
    }
    let changed = settings.changed(by: asked, given: given)
    if let problem = changed.configuration.problem { throw TrainingError.invalidConfiguration(problem) }
    return changed
  }

  /// The settings that the options ask for, and which of them were given.
  private func askedSettings(_ setup: RunSetup) throws -> (RunSettings, Set<String>) {
    let preset = try model.resolvedPreset(forStories: setup.data.path == nil)
    var given = Set((training.named + model.named + checkpoints.named).filter { $0.value != nil }.map(\.name))
    if model.preset != nil { given.formUnion(ModelOptions.namesInPreset) }
    return (
      RunSettings(
        configuration: configuration(preset), batchSize: training.batchSize ?? preset.batchSize,
        blockSize: model.blockSize ?? preset.contextLength, layerCount: model.nLayer ?? preset.layerCount,
        headCount: model.nHead ?? preset.headCount, channelCount: model.nEmbd ?? preset.channelCount,
        dropout: model.dropout ?? preset.dropout, hasBias: model.bias ?? preset.hasBias,
        recomputesBlocks: training.recompute ?? false, initFrom: training.initFrom.map { absolutePath($0) ?? $0 }),
      given
    )
  }
}

/// What `--resume PATH` names: a checkpoint and its run, or a run alone, of which the newest is meant.
struct NamedBeginning {
  let run: String
  private(set) var checkpoint: String?

  /// - Parameter out: Where the run is to go on, if not in its own folder.
  init(_ path: String, out: String?) throws {
    let files = POSIXFileSystem()
    guard files.exists(path) else { throw InputError(sentence: "there is no checkpoint \(path); check the path") }
    if files.isDirectory(path + "/checkpoints") || !files.exists(path + "/manifest.json") {
      run = path
      if let out, absolutePath(out) != absolutePath(path) {
        // Another run's newest: where that run is does not change.
        let store = CheckpointStore(folder: path + "/checkpoints")
        guard let newest = try store.newestVerified() else { throw CheckpointError.none(path: path) }
        checkpoint = store.path(newest.entry)
      }
      return
    }
    checkpoint = path
    if let out {
      run = out
    } else if let run = NamedBeginning.run(of: path) ?? absolutePath(path).flatMap(NamedBeginning.run) {
      self.run = run
    } else {
      throw CheckpointError.strayCheckpoint(path: path)
    }
  }

  /// The folder of the run that a checkpoint's path names; nil where it names none.
  private static func run(of path: String) -> String? {
    let folder = parentDirectory(of: path), suffix = "/checkpoints"
    if folder == "checkpoints" { return "." }
    guard folder.hasSuffix(suffix) else { return nil }
    return folder == suffix ? "/" : String(folder.dropLast(suffix.count))
  }
}
