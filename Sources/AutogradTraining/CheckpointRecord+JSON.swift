import AutogradBase
import AutogradKernels
import AutogradNeuralNetwork

/// A record that cannot be read, in words.
package struct RecordProblem: Error {
  let sentence: String
}

/// Takes values out of a JSON object; errors name the key.
struct Fields {
  private let json: JSON

  init(_ json: JSON) { self.json = json }

  private func value<Value>(_ key: String, _ kind: String, _ take: (JSON) -> Value?) throws(RecordProblem) -> Value {
    guard let found = json[key] else { throw RecordProblem(sentence: "the key \"\(key)\" is missing") }
    guard let value = take(found) else { throw RecordProblem(sentence: "\"\(key)\" must be \(kind)") }
    return value
  }

  func object(_ key: String) throws(RecordProblem) -> Fields {
    Fields(try value(key, "an object") { $0.objectValue == nil ? nil : $0 })
  }

  func optionalObject(_ key: String) throws(RecordProblem) -> Fields? {
    if json[key] == nil || json[key]?.isNull == true { return nil }
    return try object(key)
  }

  func string(_ key: String) throws(RecordProblem) -> String { try value(key, "a string", \.stringValue) }

  func optionalString(_ key: String) throws(RecordProblem) -> String? {
    json[key] == nil || json[key]?.isNull == true ? nil : try string(key)
  }

  func optionalFlag(_ key: String) throws(RecordProblem) -> Bool? {
    json[key] == nil ? nil : try value(key, "true or false", \.boolValue)
  }

  func count(_ key: String, least: Int = 0) throws(RecordProblem) -> Int {
    try value(key, "a whole number of at least \(least)") { json in
      json.intValue.flatMap { $0 >= least ? $0 : nil }
    }
  }

  func unsigned(_ key: String) throws(RecordProblem) -> UInt64 {
    try value(key, "a whole number in quotes") { $0.stringValue.flatMap { UInt64($0) } }
  }

  /// As `JSON.exact` writes it.
  func number(_ key: String) throws(RecordProblem) -> Double {
    try value(key, "a number") { $0.doubleValue ?? $0.stringValue.flatMap { Double($0) } }
  }

  func optionalNumber(_ key: String) throws(RecordProblem) -> Double? {
    json[key]?.isNull == true ? nil : try number(key)
  }

  func choice<Choice: RawRepresentable<String>>(_ key: String, _ type: Choice.Type) throws(RecordProblem) -> Choice {
    try value(key, "a known name") { $0.stringValue.flatMap { Choice(rawValue: $0) } }
  }

  func numbers(_ key: String) throws(RecordProblem) -> [Double] {
    try value(key, "a list of numbers") { json in
      guard let values = json.arrayValue else { return nil }
      let numbers = values.compactMap { $0.doubleValue ?? $0.stringValue.flatMap { Double($0) } }
      return numbers.count == values.count ? numbers : nil
    }
  }
}

extension JSON {
  /// A number, or its name where JSON has none for it: NaN and the infinities.
  static func exact(_ value: Double) -> JSON { value.isFinite ? .number(value) : .string("\(value)") }

  static func optional(_ value: Double?) -> JSON { value.map(exact) ?? .null }

  fileprivate static func count(_ value: Int) -> JSON { .integer(Int64(value)) }
}

// MARK: Settings

extension TrainingConfiguration {
  /// Under the names of the command's options, dashes written as underscores.
  var json: JSON {
    .object([
      JSON.Member("grad_accum", .count(accumulation)), JSON.Member("max_iters", .count(maximumSteps)),
      JSON.Member("learning_rate", .exact(schedule.peak)), JSON.Member("min_lr", .exact(schedule.minimum)),
      JSON.Member("warmup_iters", .count(schedule.warmupSteps)),
      JSON.Member("lr_decay_iters", .count(schedule.decaySteps)),
      JSON.Member("schedule", .string(schedule.decay.rawValue)), JSON.Member("optimizer", .string(optimizer.rawValue)),
      JSON.Member("beta1", .exact(beta1)), JSON.Member("beta2", .exact(beta2)),
      JSON.Member("weight_decay", .exact(weightDecay)), JSON.Member("grad_clip", .exact(gradientClip)),
      JSON.Member("eval_interval", .count(evaluationInterval)), JSON.Member("eval_iters", .count(evaluationBatches)),
      JSON.Member("log_interval", .count(logInterval)), JSON.Member("precision", .string(precision.rawValue)),
      JSON.Member("seed", .string("\(seed)")),
      JSON.Member("on_nonfinite", .string(nonFinitePolicy.rawValue)), JSON.Member("save_every", .count(saveInterval)),
      JSON.Member("keep", .count(keptCheckpoints)),
    ])
  }

  init(_ fields: Fields) throws(RecordProblem) {
    accumulation = try fields.count("grad_accum", least: 1)
    maximumSteps = try fields.count("max_iters")
    schedule = LearningRateSchedule(
      peak: try fields.number("learning_rate"), minimum: try fields.number("min_lr"),
      warmupSteps: try fields.count("warmup_iters"), decaySteps: try fields.count("lr_decay_iters"),
      decay: try fields.choice("schedule", LearningRateSchedule.Decay.self))
    optimizer = try fields.choice("optimizer", OptimizerKind.self)
    beta1 = try fields.number("beta1")
    beta2 = try fields.number("beta2")
    weightDecay = try fields.number("weight_decay")
    gradientClip = try fields.number("grad_clip")
    evaluationInterval = try fields.count("eval_interval", least: 1)
    evaluationBatches = try fields.count("eval_iters", least: 1)
    logInterval = try fields.count("log_interval", least: 1)
    precision = try fields.choice("precision", MatmulPrecision.self)
    seed = try fields.unsigned("seed")
    nonFinitePolicy = try fields.choice("on_nonfinite", NonFinitePolicy.self)
    saveInterval = try fields.count("save_every")
    keptCheckpoints = try fields.count("keep", least: 1)
  }
}

// MARK: Progress

extension TrainingProgress {
  var json: JSON {
    .object([
      JSON.Member("step", .count(step)), JSON.Member("accumulated", .count(accumulated)),
      JSON.Member("accumulated_loss", .exact(accumulatedLoss)), JSON.Member("passed_batches", .count(passedBatches)),
      JSON.Member("skipped_in_a_row", .count(skippedInARow)), JSON.Member("tokens", .count(tokens)),
      JSON.Member("evaluation", evaluation?.json ?? .null),
      JSON.Member("last_evaluation", lastEvaluation?.json ?? .null),
      JSON.Member("best_evaluation", bestEvaluation?.json ?? .null),
    ])
  }

  init(_ fields: Fields) throws(RecordProblem) {
    step = try fields.count("step")
    accumulated = try fields.count("accumulated")
    accumulatedLoss = try fields.number("accumulated_loss")
    passedBatches = try fields.count("passed_batches")
    skippedInARow = try fields.count("skipped_in_a_row")
    tokens = try fields.count("tokens")
    if let evaluation = try fields.optionalObject("evaluation") {
      self.evaluation = EvaluationProgress(
        part: try evaluation.count("part"), batches: try evaluation.count("batches"),
        lossSum: try evaluation.number("loss_sum"), trainingLoss: try evaluation.number("train_loss"))
    }
    lastEvaluation = try EvaluationLosses(fields.optionalObject("last_evaluation"))
    bestEvaluation = try EvaluationLosses(fields.optionalObject("best_evaluation"))
  }
}

extension EvaluationProgress {
  fileprivate var json: JSON {
    .object([
      JSON.Member("part", .count(part)), JSON.Member("batches", .count(batches)),
      JSON.Member("loss_sum", .exact(lossSum)), JSON.Member("train_loss", .exact(trainingLoss)),
    ])
  }
}

extension EvaluationLosses {
  fileprivate var json: JSON {
    .object([
      JSON.Member("step", .count(step)), JSON.Member("train_loss", .exact(trainingLoss)),
      JSON.Member("val_loss", .exact(validationLoss)),
    ])
  }

  fileprivate init?(_ fields: Fields?) throws(RecordProblem) {
    guard let fields else { return nil }
    step = try fields.count("step")
    trainingLoss = try fields.number("train_loss")
    validationLoss = try fields.number("val_loss")
  }
}

// MARK: The curve

extension ThinnedPoints {
  var json: JSON {
    .object([
      JSON.Member("seen", .count(seen)), JSON.Member("stride", .count(stride)),
      JSON.Member("steps", .array(withLatest.map { .count($0.step) })),
      JSON.Member("losses", .array(withLatest.map { .exact($0.loss) })),
      JSON.Member("kept", .count(kept.count)),
    ])
  }

  init(_ fields: Fields) throws(RecordProblem) {
    seen = try fields.count("seen")
    stride = try fields.count("stride", least: 1)
    let steps = try fields.numbers("steps").map { Int(exactly: $0) ?? -1 }, losses = try fields.numbers("losses")
    let count = try fields.count("kept")
    guard steps.count == losses.count, count <= steps.count, count <= ThinnedPoints.limit, steps.allSatisfy({ $0 >= 0 })
    else { throw RecordProblem(sentence: "the curve's steps and losses do not fit each other") }
    let points = zip(steps, losses).map { LossCurve.Point(step: $0, loss: $1) }
    kept = Array(points.prefix(count))
    latest = points.last
  }
}
