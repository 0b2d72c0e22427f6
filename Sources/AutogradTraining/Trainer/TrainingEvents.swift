import AutogradKernels

/// The events of a run, one after another: whoever asks for the next one has the trainer work until there is one.
///
/// ```swift
/// for try await event in trainer.events() {
///   if case .step(let metrics) = event { print(metrics.step, metrics.loss) }
/// }
/// ```
///
/// The work is done in `next`, by the caller and the trainer's threads: between two events nothing goes on, and who
/// breaks off the loop has ended the run there. A task that is cancelled finishes the step under way, saves where there
/// is a checkpointer, and throws `cancelled`.
public struct TrainingEvents: AsyncSequence {
  public typealias Element = TrainingEvent
  public typealias Failure = TrainingError

  let trainer: Trainer
  let checkpointer: Checkpointer?

  public func makeAsyncIterator() -> Iterator { Iterator(trainer: trainer, checkpointer: checkpointer) }

  public struct Iterator: AsyncIteratorProtocol {
    private let trainer: Trainer
    private let checkpointer: Checkpointer?
    /// What comes next, whenever the events before it have been handed out.
    private enum Stage {
      case start, work, goBack, save, look, finish
      case end(TrainingError?)
    }
    private var stage = Stage.start
    private var events: [TrainingEvent] = []
    private var handedOut = 0
    private var meter = Meter()

    init(trainer: Trainer, checkpointer: Checkpointer?) {
      (self.trainer, self.checkpointer) = (trainer, checkpointer)
    }

    /// - Throws: As `Trainer.run`; once only, and nil after that.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(TrainingError) -> TrainingEvent? {
      // Others on this actor get their turn between two events.
      await Task.yield()
      let trainer = trainer
      return try next { Task.isCancelled && trainer.progress.accumulated == 0 }
    }

    /// Works until there is an event.
    ///
    /// - Parameter isInterrupted: Asked after every batch; true ends the run there, after a save.
    mutating func next(isInterrupted: () -> Bool) throws(TrainingError) -> TrainingEvent? {
      while true {
        if handedOut < events.count {
          handedOut += 1
          return events[handedOut - 1]
        }
        events.removeAll(keepingCapacity: true)
        handedOut = 0
        if case .end(let error) = stage {
          stage = .end(nil)
          if let error { throw error }
          return nil
        }
        do throws(TrainingError) {
          try goOn(isInterrupted)
        } catch {
          stage = .end(error)
        }
      }
    }

    private mutating func tell(_ event: TrainingEvent) {
      trainer.note(event)
      events.append(event)
    }

    private mutating func tell(_ more: [TrainingEvent]) { for event in more { tell(event) } }

    private mutating func goOn(_ isInterrupted: () -> Bool) throws(TrainingError) {
      switch stage {
      case .start: try start()
      case .work: try work()
      case .goBack:
        stage = .save
        if let checkpointer { try trainer.goBack(to: checkpointer) }
      case .save:
        stage = .look
        if let events = checkpointer?.saveIfDue(trainer) {
          tell(events)
          meter = Meter()
        }
      case .look:
        stage = .work
        if isInterrupted() { endEarly(.cancelled(steps: trainer.stepCount)) }
      case .finish:
        stage = .end(nil)
        if let checkpointer { tell(try checkpointer.saveLast(trainer)) }
      case .end: break
      }
    }

    private mutating func start() throws(TrainingError) {
      let memory = try trainer.takeMemory()
      stage = .work
      tell(
        .started(
          parameterCount: trainer.model.parameterCount, trainedCount: trainer.weights.parameterCount,
          arenaBytes: memory.arenaBytes, data: trainer.data.summary))
      for doubt in trainer.configuration.doubts(from: trainer.stepCount) {
        tell(.warning(step: trainer.stepCount, doubt))
      }
      if let checkpointer { tell(checkpointer.begin(trainer)) }
      meter = Meter()
    }

    private mutating func work() throws(TrainingError) {
      stage = .save
      let unit: Trainer.Unit?
      do throws(TrainingError) {
        unit = try trainer.advance()
      } catch {
        return endEarly(error)
      }
      let configuration = trainer.configuration, step = trainer.stepCount
      switch unit {
      case nil: stage = .finish
      case .batch: break
      case .step(let result):
        meter.count(trainer.B * configuration.accumulation * trainer.T)
        if step == configuration.maximumSteps || step % configuration.logInterval == 0 {
          tell(.step(trainer.metrics(result, tokensPerSecond: meter.rate())))
          meter = Meter()
        }
      case .nonFinite(let bad):
        let (bad, action) = trainer.handle(bad, canGoBack: checkpointer != nil)
        tell(.nonFinite(bad, action))
        if action == .rollback { stage = .goBack }
        if action == .stop { endEarly(.nonFinite(bad)) }
      case .evaluation(let metrics):
        tell(.evaluation(metrics))
        meter = Meter()
      }
    }

    /// Saves what there is and ends with an error.
    private mutating func endEarly(_ error: TrainingError) {
      if let checkpointer { tell(checkpointer.saveInterrupted(trainer)) }
      stage = .end(error)
    }
  }
}

extension Trainer {
  /// Trains until `maximumSteps` are done, and tells what happens as it happens.
  ///
  /// - Parameter checkpointer: Saves checkpoints on the way and at the end; nil keeps none.
  public func events(checkpointer: Checkpointer? = nil) -> TrainingEvents {
    TrainingEvents(trainer: self, checkpointer: checkpointer)
  }

  /// Trains until `maximumSteps` are done.
  ///
  /// - Parameters:
  ///   - checkpointer: Saves checkpoints on the way and at the end; nil keeps none.
  ///   - isInterrupted: Asked after every batch, of training and of evaluation; true ends the run there.
  ///   - report: Called before the first step, for each line of progress and after each evaluation; what it throws ends
  ///     the run.
  /// - Throws: `cancelled` where `isInterrupted` said so, `nonFinite` and `data`: all of them after the checkpointer has
  ///   saved; `tooLarge` and `outOfMemory` before the first step; `checkpoint` where the last save failed: earlier ones
  ///   only give a warning.
  public func run(
    checkpointer: Checkpointer? = nil, isInterrupted: () -> Bool = { Task.isCancelled },
    _ report: (TrainingEvent) throws(TrainingError) -> Void
  ) throws(TrainingError) {
    var events = events(checkpointer: checkpointer).makeAsyncIterator()
    while let event = try events.next(isInterrupted: isInterrupted) { try report(event) }
  }

  func metrics(_ result: StepResult, tokensPerSecond: Double) -> StepMetrics {
    StepMetrics(
      step: stepCount, loss: result.loss, learningRate: result.learningRate, gradientNorm: result.gradientNorm,
      measures: result.measures, tokensPerSecond: tokensPerSecond, arenaBytes: arenaStatistics.peak)
  }
}

/// Tokens per second since it was made.
private struct Meter {
  private let watch = Stopwatch(.wall)
  private var tokens = 0

  mutating func count(_ tokens: Int) { self.tokens += tokens }

  func rate() -> Double { Double(tokens) / watch.seconds }
}
