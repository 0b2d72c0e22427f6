import AutogradEngine
import AutogradModels

/// What is to be learnt from a batch: the loss that is made of it, and what is told beside that.
///
/// Trainer, evaluation and plan go by this alone: whoever adds a kind writes a type, and the data that it belongs to in
/// `TrainingData.objective`.
protocol TrainingObjective: Sendable {
  /// What is told of a batch beside its loss.
  var measures: [MeasureName] { get }

  /// The loss of a batch, inside a step, and its measures.
  ///
  /// - Parameters:
  ///   - expectedSeed: The seed that `backward` will get.
  ///   - passing: Called after each stage of the pass that is recorded.
  func loss<Scalar>(
    of batch: BatchOperands<Scalar>, by model: some LanguageModel<Scalar>, on tape: Tape<Scalar>, expectedSeed: Scalar,
    passing: (ModelStage) -> Void
  ) -> (loss: Variable<Scalar>, measures: [Double])
}

/// What a number beside a loss is called: in files, and in words.
public struct MeasureName: Sendable, Equatable {
  public let key: String
  public let words: String
}

/// A number that is told beside a loss, a mean over what a batch or several hold.
public struct Measure: Sendable, Equatable {
  public let name: MeasureName
  public let value: Double
}

/// A batch on the tape. Shapes: each [B, T].
struct BatchOperands<Scalar: TensorScalar> {
  let tokens, targets: Tokens
  let positions: Tokens?
  let weights: Variable<Scalar>?
}

/// Every next token is to be likely.
struct NextTokenObjective: TrainingObjective {
  var measures: [MeasureName] { [] }

  func loss<Scalar>(
    of batch: BatchOperands<Scalar>, by model: some LanguageModel<Scalar>, on tape: Tape<Scalar>, expectedSeed: Scalar,
    passing: (ModelStage) -> Void
  ) -> (loss: Variable<Scalar>, measures: [Double]) {
    let loss = model.loss(
      batch.tokens, targets: batch.targets, positions: batch.positions, weights: batch.weights, ignoring: nil,
      expectedSeed: expectedSeed, passing: passing)
    return (loss, [])
  }
}

/// Of two answers the first is to become likelier against the second than it is to the model without its adapter ("DPO").
///
/// Rows come in pairs, the preferred one first; weights are 1 where targets belong to the answer. With Δ the difference of
/// the answers' log-likelihoods, and Δ₀ that of the model without its adapter, the loss is −log σ(β · (Δ − Δ₀)), its mean
/// over the pairs. Told are the margin β · (Δ − Δ₀), and in how many pairs it is positive.
///
/// A step takes two forward passes and a backward one, and computes the head's logits once more. There is no second model
/// and no dropout in the reference.
///
/// - SeeAlso: Rafailov et al., "Direct Preference Optimization", 2023.
struct PreferenceObjective: TrainingObjective {
  let beta: Double

  var measures: [MeasureName] {
    [MeasureName(key: "margin", words: "margin"), MeasureName(key: "win_rate", words: "win rate")]
  }

  func loss<Scalar>(
    of batch: BatchOperands<Scalar>, by model: some LanguageModel<Scalar>, on tape: Tape<Scalar>, expectedSeed: Scalar,
    passing: (ModelStage) -> Void
  ) -> (loss: Variable<Scalar>, measures: [Double]) {
    let reference = tape.inference(applyingAdapters: false) {
      differences(of: batch, by: model, on: tape) { _ in }.array
    }
    let pairCount = reference.count
    let margins = (differences(of: batch, by: model, on: tape, passing: passing)
      - tape.input(reference, shape: [pairCount])) * Scalar(beta)
    let loss = margins.binaryCrossEntropy(tape.input([Scalar](repeating: 1, count: pairCount), shape: [pairCount]))
    let numbers = margins.array.map { Double($0) }, count = Double(pairCount)
    return (loss, [numbers.reduce(0, +) / count, Double(numbers.count { $0 > 0 }) / count])
  }

  /// How much likelier the first answer of each pair is than the second, in nats: [pairs].
  private func differences<Scalar>(
    of batch: BatchOperands<Scalar>, by model: some LanguageModel<Scalar>, on tape: Tape<Scalar>,
    passing: (ModelStage) -> Void
  ) -> Variable<Scalar> {
    var losses = model.losses(batch.tokens, targets: batch.targets, positions: batch.positions, passing: passing)
    if let weights = batch.weights { losses = losses * weights }
    let signs = tape.input([-1, 1], shape: [2, 1]), shape = losses.shape
    return (losses.reshape([shape[0] / 2, 2, shape[1]]) * signs).sum(over: [1, 2])
  }
}

extension TrainingData {
  /// What is to be learnt from it.
  func objective(_ configuration: TrainingConfiguration) -> any TrainingObjective {
    holdsPairs ? PreferenceObjective(beta: configuration.preferenceBeta) : NextTokenObjective()
  }

  /// Whether batches hold pairs of answers, of which the first is preferred.
  public var holdsPairs: Bool { training.rowsPerWindow == 2 }
}
