import Autograd
import Base
import Kernels
import LanguageModel
import Text
import Training

/// One run of `autograd train`: training with its log and its saves, and the report at the end.
struct TrainingRun {
  let out: String
  let source: TextSource
  let model: GPT<Float>
  let configuration: TrainingConfiguration
  let data: TrainingData
  let backend: Backend
  /// Where a trace of one step goes.
  let trace: String?

  func execute() throws {
    let files = POSIXFileSystem(), directory = ModelDirectory(out)
    try files.createDirectory(out)
    let log = try TrainingLog(path: out + "/log.jsonl", fileSystem: files)
    let trainer = try Trainer(model: model, data: data, configuration: configuration, backend: backend)
    if trace != nil { trainer.profiledStep = min(10, configuration.maximumSteps) }
    var curve = LossCurve(optimum: data.optimum), progress = Progress(maximumSteps: configuration.maximumSteps)
    try trainer.run { event throws(TrainingError) in
      log.write(event)
      curve.add(event)
      progress.show(event)
      guard case .evaluation(let metrics) = event else { return }
      do throws(LanguageModelError) {
        try directory.save(trainer.model, tokenizer: source.tokenizer, metadata: [("step", "\(metrics.step)")])
      } catch {
        throw .model(error)
      }
    }
    try files.writeAtomically(Array(curve.svg(title: "Loss of \(out)").utf8), to: out + "/curve.svg")
    if let trace, let profile = trainer.lastProfile {
      try files.writeAtomically(profile.chromeTrace(), to: trace)
      Console.showLine("\nstep \(profile.step), traced to \(trace):\n\(profile)")
    }
    report(curve)
  }

  private func report(_ curve: LossCurve) {
    Console.showLine("\n" + curve.plot())
    if let optimum = data.optimum, let last = curve.validation.last {
      Console.showLine(
        "\nvalidation loss \(last.loss.fixed(4)), optimum \(optimum.fixed(4)): "
          + "\((last.loss - optimum).fixed(4)) nats per character above the best that any model can do")
    }
    showSamples()
    Console.showLine(
      """

      model   \(out)
      curve   \(out)/curve.svg
      next    autograd generate --model \(out)
              autograd evaluate --model \(out) --data FILE
      """)
  }

  private func showSamples() {
    guard let start = try? source.tokenizer.encode(source.prompt) else { return }
    let generator = Generator(model: model, sampler: Sampler(), tape: Tape(backend: backend))
    let (count, length, stop) = source.samples
    let texts = (0..<count).map { number in
      var text = ""
      generator.generate(
        after: start, count: length, stream: UInt32(number), tokenizer: source.tokenizer, stops: stop
      ) { piece in
        text += piece
        return true
      }
      return text
    }
    Console.showLine("\nsamples:")
    for text in texts.prefix(5) { Console.showLine("  " + text) }
    guard let grammar = source.grammar else { return }
    let report = GrammarReport(of: Array(texts.map { "\n" + $0 }.joined().utf8), by: grammar)
    Console.showLine("\nof \(count) stories:\n\(report)")
  }
}
