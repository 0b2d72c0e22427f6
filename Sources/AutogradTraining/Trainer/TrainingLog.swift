import AutogradBase

/// Writes what a run tells as one JSON object per line: `step loss lr grad_norm tokens_per_second arena_bytes`, and
/// `step train_loss val_loss fingerprint` for evaluations, both with what is told beside a loss (`margin win_rate` of
/// preference pairs); `event` names anything else. After a resume, steps between
/// the checkpoint and the end of the run before stand twice, with the same numbers.
///
/// A log that cannot be written never stops training.
public struct TrainingLog {
  private let file: AppendFile

  public init(path: String, fileSystem: some FileSystem = POSIXFileSystem()) throws(FileError) {
    file = try fileSystem.openForAppending(path)
  }

  public func write(_ event: TrainingEvent) {
    switch event {
    case .started: return
    case .step(let metrics):
      write([
        JSON.Member("step", .integer(Int64(metrics.step))), JSON.Member("loss", number(metrics.loss)),
        JSON.Member("lr", number(metrics.learningRate)), JSON.Member("grad_norm", number(metrics.gradientNorm)),
        JSON.Member("tokens_per_second", number(metrics.tokensPerSecond)),
        JSON.Member("arena_bytes", .integer(Int64(metrics.arenaBytes))),
      ] + metrics.measures.map { JSON.Member($0.name.key, number($0.value)) })
    case .evaluation(let metrics):
      write([
        JSON.Member("step", .integer(Int64(metrics.step))), JSON.Member("train_loss", number(metrics.trainingLoss)),
        JSON.Member("val_loss", number(metrics.validationLoss)),
        JSON.Member("fingerprint", .string(metrics.fingerprint.hexadecimal)),
      ] + metrics.validationMeasures.map { JSON.Member("val_" + $0.name.key, number($0.value)) })
    case .resumed(let path, let step, let fingerprint): note("resumed", step, path, fingerprint)
    case .saved(let path, let step, let fingerprint): note("saved", step, path, fingerprint)
    case .nonFinite(let bad, let action):
      write([
        JSON.Member("event", .string("non_finite")), JSON.Member("step", .integer(Int64(bad.step))),
        JSON.Member("loss", number(bad.loss)), JSON.Member("grad_norm", number(bad.gradientNorm)),
        JSON.Member("action", .string(action.rawValue)), JSON.Member("cause", bad.cause.map { .string($0) } ?? .null),
      ])
    case .warning(let step, let sentence):
      write([
        JSON.Member("event", .string("warning")), JSON.Member("step", .integer(Int64(step))),
        JSON.Member("sentence", .string(sentence)),
      ])
    }
  }

  private func note(_ event: String, _ step: Int, _ path: String, _ fingerprint: Fingerprint) {
    write([
      JSON.Member("event", .string(event)), JSON.Member("step", .integer(Int64(step))),
      JSON.Member("path", .string(path)), JSON.Member("fingerprint", .string(fingerprint.hexadecimal)),
    ])
  }

  private func number(_ value: Double) -> JSON { value.isFinite ? .number(value) : .string("\(value)") }

  private func write(_ members: [JSON.Member]) {
    var line = JSON.object(members).serialized()
    line.append(UInt8(ascii: "\n"))
    _ = file.write(line.span)
  }
}
