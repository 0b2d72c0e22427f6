import Base

/// Writes what a run tells as one JSON object per line: `step loss lr grad_norm tokens_per_second arena_bytes`, and
/// `step train_loss val_loss` for evaluations.
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
      ])
    case .evaluation(let metrics):
      write([
        JSON.Member("step", .integer(Int64(metrics.step))), JSON.Member("train_loss", number(metrics.trainingLoss)),
        JSON.Member("val_loss", number(metrics.validationLoss)),
      ])
    }
  }

  private func number(_ value: Double) -> JSON { value.isFinite ? .number(value) : .string("\(value)") }

  private func write(_ members: [JSON.Member]) {
    var line = JSON.object(members).serialized()
    line.append(UInt8(ascii: "\n"))
    _ = file.write(line.span)
  }
}
