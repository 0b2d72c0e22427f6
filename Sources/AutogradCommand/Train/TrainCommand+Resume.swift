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
      return try go(on: try run(from: beginning.checkpoint, in: place), from: beginning, in: existing)
    }
    if let existing, let start = try existing.start() { return try begin(again: start, in: existing) }
    if named != nil { throw CheckpointError.noRun(path: place, finished: RunDirectory.finishedCheckpoint(in: place)) }
    let run = try newRun()
    try requireOther(place, than: run)
    let directory = try existing ?? RunDirectory(place)
    let superseded = try startAfresh(in: directory)
    tellBeginning(directory)
    try run.execute(in: directory, superseded: superseded)
  }

  private func tellBeginning(_ directory: RunDirectory) {
    Console.showLine("no checkpoint in \(directory.path) yet: starting afresh")
  }

  /// Begins a run again that ended before its first checkpoint, with what it was begun with.
  private func begin(again start: RunRecord, in directory: RunDirectory) throws {
    let settings = try settings(
      of: start, whose: "the run in \(directory.path) was begun", orElse: "start a new run, without --resume")
    let weights = try base(of: settings).map {
      try TrainingRun.beginning($0, start.settings, dropout: start.model.dropout.common)
    }
    let source = try TextSource(
      input.given, tokenizer: try weights?.tokenizer ?? TextSource.vocabulary(settings),
      template: start.settings.chatTemplate?.choice ?? .none, expected: start.data, run: directory.path,
      pool: training.backend.pool)
    let run = try TrainingRun(source, start, settings, weights: weights?.weights, training).prepare()
    try run.trainer.takeMemory()
    if let warning = try start.checkBeginning(of: run.trainer) { Console.writeError("warning: \(warning)") }
    tellBeginning(directory)
    try run.execute(in: directory)
  }

  /// Goes on from a checkpoint of this run, or of another one where this run is yet to be made.
  private func goOn(fromCheckpointAt path: String, in existing: RunDirectory?, _ place: String) throws {
    if let existing {
      let beginning = try existing.checkpoint(at: path)
      return try go(on: try run(from: beginning.checkpoint, in: place), from: beginning, in: existing)
    }
    let run = try run(from: try Checkpoint(path), in: NamedBeginning.run(of: path) ?? place)
    let directory = try RunDirectory(place)
    try go(on: run, from: try directory.checkpoint(at: path), in: directory)
  }

  private func go(on run: TrainingRun, from beginning: RunDirectory.Beginning, in directory: RunDirectory) throws {
    for note in try directory.setAside(newerThan: beginning) { Console.writeError("warning: \(note)") }
    try run.execute(in: directory, from: beginning.checkpoint)
  }

  /// - Parameter place: The folder of the run whose checkpoint it is.
  private func run(from checkpoint: Checkpoint, in place: String) throws -> TrainingRun {
    let record = checkpoint.record
    let settings = try settings(
      of: record, whose: "\(checkpoint.path) was made", orElse: "start a new run from its weights with --init-from")
    let source = try TextSource(
      input.given, tokenizer: try checkpoint.tokenizer(), template: record.settings.chatTemplate?.choice ?? .none,
      expected: record.data, run: place, pool: training.backend.pool)
    // Of an adapter's run the checkpoint holds the adapter; the base is read from where it was.
    let base = try settings.adapter == nil ? nil : base(of: settings).map {
      try TrainingRun.beginning($0, settings, dropout: nil).weights
    }
    return try TrainingRun(source, record, settings, weights: base, training).prepare(drawing: false)
  }

  /// The model that a run began with, where it lies now.
  private func base(of settings: RunSettings) throws -> (any StoredModel)? {
    guard let path = settings.initFrom else { return nil }
    guard POSIXFileSystem().exists(path) else {
      let hint = settings.adapter == nil ? "put it back" : "put it back, or name its new place with --init-from"
      throw InputError(sentence: "\(path), the model that the run began with, is not there any more; \(hint)")
    }
    return try openModel(path)
  }

  // MARK: Settings

  /// The settings of a run, and what the options change in them.
  ///
  /// - Throws: Where an option contradicts them that may not.
  private func settings(of record: RunRecord, whose: String, orElse: String) throws -> RunSettings {
    let asked = try asked(forStories: record.data.path == nil), given = asked.askedKeys
    var settings = record.settings
    // Of an adapter's base the hash counts, which a checkpoint knows, and not the place.
    if settings.adapter != nil, given.contains("init_from") { settings.initFrom = asked.settings.initFrom }
    let contradictions = settings.contradictions(to: asked.settings, given: given)
    guard contradictions.isEmpty else {
      throw InputError(
        sentence: "\(whose) with \(contradictions.joined(separator: ", ")); leave these options out, or \(orElse)")
    }
    if settings.configuration.decay == .constant, given.contains("lr_decay_iters") {
      throw InputError(
        sentence: "\(whose) with --schedule constant, whose rate stays: --lr-decay-iters means nothing; leave it out")
    }
    let changed = settings.changed(by: asked.settings, given: given)
    if let problem = changed.problem { throw TrainingError.invalidConfiguration(problem) }
    tellStretching(settings.configuration, changed.configuration, at: record.progress.step, given)
    return changed
  }

  /// A learning rate that was to fall until the end of the run falls until the new end.
  private func tellStretching(
    _ before: TrainingConfiguration, _ now: TrainingConfiguration, at step: Int, _ given: Set<String>
  ) {
    let end = now.schedule.decaySteps
    guard end != before.schedule.decaySteps, now.decay != .constant, !given.contains("lr_decay_iters"), step < end
    else { return }
    Console.writeError(
      "warning: the learning rate falls until step \(end) now, the new end of the run, not until step "
        + "\(before.schedule.decaySteps): step \(step + 1) has \(now.schedule.rate(at: step).scientific); choose another step with "
        + "--lr-decay-iters")
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
  static func run(of path: String) -> String? {
    let folder = parentDirectory(of: path), suffix = "/checkpoints"
    if folder == "checkpoints" { return "." }
    guard folder.hasSuffix(suffix) else { return nil }
    return folder == suffix ? "/" : String(folder.dropLast(suffix.count))
  }
}
