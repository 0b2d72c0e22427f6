import AutogradBase
import AutogradEngine
import AutogradModels
import AutogradText
import AutogradTraining

/// Training with its log and its saves, and the report at the end.
extension TrainingRun {
  /// Trains, from the beginning or from a checkpoint, and ends the process by the signal that interrupted it.
  ///
  /// - Parameter superseded: Folders that the run's first checkpoint makes superfluous.
  func execute(
    in directory: RunDirectory, from checkpoint: Checkpoint? = nil, superseded: [String] = []
  ) throws {
    let checkpointer = Checkpointer(
      store: directory.store, tokenizer: source.tokenizer, data: source.identity, settings: settings)
    checkpointer.noteSuperseded(superseded)
    var teller = Teller(out: directory.path, maximumSteps: trainer.configuration.maximumSteps)
    try requireWritable(in: directory)
    try source.prepare(in: directory.path)
    // First of all: the plan counts what is not taken yet, and a run that does not fit leaves nothing behind.
    try trainer.takeMemory()
    if checkpoint == nil { begin(in: directory, checkpointer, &teller) }
    Signals.watch()
    if let checkpoint {
      try checkpoint.restore(into: trainer)
      checkpointer.noteResume(checkpoint.record.progress)
      teller.tell(
        .resumed(path: checkpoint.path, step: trainer.stepCount, fingerprint: checkpoint.record.fingerprint))
      if let warning = checkpoint.otherInstructions(than: trainer) { teller.warn(trainer.stepCount, warning) }
    }
    if trace != nil { trainer.profiledStep = min(trainer.stepCount + 10, trainer.configuration.maximumSteps) }
    do {
      try train(checkpointer, directory, &teller)
    } catch TrainingError.cancelled where Signals.isNoted {
      saveModel(in: directory, &teller)
      Console.writeError(
        "interrupted after step \(trainer.stepCount); autograd train --resume \(directory.path.shellQuoted) goes on")
      Signals.endIfNoted()
    } catch {
      switch error as? TrainingError {
      // The weights are good, and may find room where a checkpoint of three times their size does not.
      case .nonFinite, .data, .checkpoint: saveModel(in: directory, &teller)
      default: break
      }
      throw error
    }
    try finish(directory, &teller)
  }

  /// Tries everything that the run will write: what cannot be written must not be found out at its end.
  private func requireWritable(in directory: RunDirectory) throws {
    let files = POSIXFileSystem(), out = directory.path, checkpoints = directory.store.folder
    let names = try trainer.weights.fileNames(tokenizer: source.tokenizer) + ["curve.svg"]
    for name in names { try files.requireWritable(out + "/" + name) }
    if files.exists(checkpoints) {
      guard files.isDirectory(checkpoints) else { throw FileError.notDirectory(.createFolder, path: checkpoints) }
      try files.requireWritable(checkpoints + "/next")
    }
    if let trace { try files.requireWritable(trace) }
  }

  /// Writes down what the run begins with, so that it can begin again as long as it has no checkpoint.
  private func begin(in directory: RunDirectory, _ checkpointer: Checkpointer, _ teller: inout Teller) {
    do throws(CheckpointError) {
      try directory.begin(with: checkpointer.record(of: trainer))
    } catch {
      teller.warn(
        0, "what the run begins with was not saved: \(error). Should it be killed before its first checkpoint, start "
          + "it again by the same command")
    }
    do throws(FileError) {
      let files = POSIXFileSystem()
      for one in card.files() { try files.writeAtomically(one.bytes, to: directory.path + "/" + one.name) }
    } catch {
      teller.warn(0, "licence and chat template of the model were not copied: \(error)")
    }
  }

  private func train(_ checkpointer: Checkpointer, _ directory: RunDirectory, _ teller: inout Teller) throws {
    try trainer.run(checkpointer: checkpointer, isInterrupted: { Signals.isNoted }) { event throws(TrainingError) in
      teller.tell(event)
      guard case .evaluation(let metrics) = event, metrics.step < trainer.configuration.maximumSteps else { return }
      saveModel(in: directory, &teller)
    }
  }

  /// Replaces the model directory's files on the way; what fails is tried again at the next evaluation.
  private func saveModel(in directory: RunDirectory, _ teller: inout Teller) {
    do {
      try writeModel(in: directory)
    } catch {
      teller.warn(trainer.stepCount, "the model was not saved: \(error)")
    }
  }

  private func writeModel(in directory: RunDirectory) throws {
    try trainer.weights.save(
      to: directory.path, tokenizer: source.tokenizer, type: settings.weights,
      metadata: [("step", "\(trainer.stepCount)")])
    // A run of the other kind, which this one replaces, has left what would be opened in its place.
    let files = POSIXFileSystem()
    for name in trainer.weights.foreignNames where files.exists(directory.path + "/" + name) {
      try files.remove(directory.path + "/" + name)
    }
  }

  /// What comes after the last step. All that a run must not lose is on the disk after the first line.
  private func finish(_ directory: RunDirectory, _ teller: inout Teller) throws {
    let curve = trainer.curve, last = trainer.stepCount
    if trainer.hasRunOutOfPatience { try goBackToBest(directory) }
    try writeModel(in: directory)
    Signals.unwatch()
    Signals.endIfNoted()
    let files = POSIXFileSystem(), out = directory.path
    do {
      try files.writeAtomically(Array(curve.svg(title: "Loss of \(out)").utf8), to: out + "/curve.svg")
    } catch {
      teller.warn(trainer.stepCount, "the curve was not saved: \(error)")
    }
    if let trace, let profile = trainer.lastProfile {
      try files.writeAtomically(profile.chromeTrace(), to: trace)
      Console.showLine("\nstep \(profile.step), traced to \(trace):\n\(profile)")
    }
    report(out, curve, last: last)
    if let losses = trainer.progress.lastEvaluation, !losses.validationLoss.isFinite {
      throw InputError(
        sentence: "the weights give no numbers any more: the validation loss is \(losses.validationLoss); start again "
          + "with a lower learning rate (--learning-rate) or scale (--lora-alpha)", exit: .nonFinite)
    }
  }

  /// A run whose patience has run out ends with the weights that were best: their checkpoint stands.
  private func goBackToBest(_ directory: RunDirectory) throws {
    guard let best = trainer.progress.bestEvaluation, best.step != trainer.stepCount,
      let entry = try directory.store.best()
    else { return }
    try Checkpoint(directory.store.path(entry)).restore(into: trainer)
  }

  private func report(_ out: String, _ curve: LossCurve, last: Int) {
    Console.showLine("\n" + curve.plot())
    if last != trainer.stepCount {
      Console.showLine(
        "\nended after step \(last): no evaluation since that of step \(trainer.stepCount) was better; the model is that "
          + "step's")
    }
    if let optimum = trainer.curve.optimum, let last = trainer.progress.lastEvaluation {
      Console.showLine(
        "\nvalidation loss \(last.validationLoss.fixed(4)), optimum \(optimum.fixed(4)): "
          + "\((last.validationLoss - optimum).fixed(4)) nats per character above the best that any model can do")
    }
    showSamples()
    let isAdapter = trainer.weights.base != nil
    Console.showLine(
      """

      \(isAdapter ? "adapter" : "model  ") \(out)
      curve   \(out)/curve.svg
      sha256  \(trainer.fingerprint())  weights and optimiser
      next    autograd generate --model \(out.shellQuoted)
              autograd evaluate --model \(out.shellQuoted) --data FILE
      """)
  }

  private func showSamples() {
    guard let start = try? source.tokenizer.encode(source.prompt) else { return }
    let generator = Generator(model: trainer.model, sampler: Sampler(), tape: Tape(backend: trainer.backend))
    let (count, length, stop) = source.samples
    let beginning = Array(start.prefix(Trainer.longestSample - length))
    var texts = [String](repeating: "", count: count)
    do throws(SamplingError) {
      for number in texts.indices {
        try generator.generate(
          after: beginning, count: length, stream: UInt32(number), tokenizer: source.tokenizer, stops: stop
        ) { piece in
          texts[number] += piece
          return true
        }
      }
    } catch {
      return Console.showLine("\nno samples: \(error)")
    }
    Console.showLine("\nsamples:")
    for text in texts.prefix(5) { Console.showLine("  " + text) }
    guard let grammar = source.grammar else { return }
    let report = GrammarReport(of: Array(texts.map { "\n" + $0 }.joined().utf8), by: grammar)
    Console.showLine("\nof \(count) stories:\n\(report)")
  }
}

/// Passes on what a run tells: to the log and to whoever watches. Neither can stop the run: what cannot be written is
/// lost, and the run is not.
private struct Teller {
  private let log: TrainingLog?
  private var progress: Progress

  init(out: String, maximumSteps: Int) {
    progress = Progress(maximumSteps: maximumSteps)
    do {
      log = try TrainingLog(path: out + "/log.jsonl")
    } catch {
      log = nil
      Console.writeError("warning: nothing will be logged: \(error)")
    }
  }

  mutating func tell(_ event: TrainingEvent) {
    log?.write(event)
    progress.show(event)
  }

  mutating func warn(_ step: Int, _ sentence: String) { tell(.warning(step: step, sentence)) }
}
