package import AutogradBase
import AutogradModels

// MARK: In a checkpoint

extension RunRecord {
  /// The file `training.json` of a checkpoint; the model stands in its own file there.
  package var json: JSON {
    let series = curve.series
    return .object(
      [JSON.Member("progress", progress.json), JSON.Member("fingerprint", .string(fingerprint.hexadecimal))]
        + settings.members
        + [
          JSON.Member("data", data.json), JSON.Member("instruction_set", .string(instructionSet)),
        ] + baseMembers + [
          JSON.Member(
            "curve",
            .object([
              JSON.Member("optimum", .optional(curve.optimum)), JSON.Member("training", series.training.json),
              JSON.Member("validation", series.validation.json),
            ])),
        ])
  }

  /// - Throws: Where a key is missing or of the wrong kind.
  package init(json: JSON, model: DecoderConfiguration) throws(RecordProblem) {
    let fields = Fields(json)
    try self.init(fields, model: model, progress: try TrainingProgress(fields.object("progress")))
    let curve = try fields.object("curve")
    self.curve = LossCurve(
      optimum: try curve.optionalNumber("optimum"), training: try ThinnedPoints(curve.object("training")),
      validation: try ThinnedPoints(curve.object("validation")))
  }

  /// Only where there is a base: others have no such key.
  private var baseMembers: [JSON.Member] { baseDigest.map { [JSON.Member("base_sha256", .string($0))] } ?? [] }

  private init(_ fields: Fields, model: DecoderConfiguration, progress: TrainingProgress) throws(RecordProblem) {
    settings = try RunSettings(fields)
    settings.takeSizes(of: model)
    (self.model, self.progress) = (model, progress)
    data = try DataIdentity(fields.object("data"))
    fingerprint = Fingerprint(hexadecimal: try fields.string("fingerprint"))
    instructionSet = try fields.string("instruction_set")
    baseDigest = try fields.optionalString("base_sha256")
    curve = LossCurve(optimum: nil)
  }
}

// MARK: As the beginning of a run

/// What a run begins with is on the disk before its first step, so that a run that is killed before its first
/// checkpoint begins again and ends with the same bits: the file `run.json` in the run directory.
///
/// Weights are not in it: new ones follow from the seed, others are read again from where they came. The fingerprint
/// shows that they are the same.
extension RunRecord {
  static let beginningFile = "run.json"
  private static let format = "swift-autograd run"
  private static let version = 1
  static let byteLimit = 1 << 20

  package var beginningBytes: [UInt8] {
    JSON.object(
      [JSON.Member("format", .string(RunRecord.format)), JSON.Member("version", .integer(Int64(RunRecord.version)))]
        + settings.members
        + [
          JSON.Member("data", data.json), JSON.Member("model", model.json),
          JSON.Member("fingerprint", .string(fingerprint.hexadecimal)),
          JSON.Member("instruction_set", .string(instructionSet)),
        ] + baseMembers
    ).serialized(pretty: true)
  }

  /// Reads the beginning of a run from outside.
  ///
  /// - Throws: `damaged`, with what is wrong in words.
  package init(beginning bytes: [UInt8], path: String) throws(CheckpointError) {
    do {
      let json = try JSON(parsing: bytes), fields = Fields(json)
      guard RunRecord.isBeginning(json) else { throw RecordProblem(sentence: "it is no run's beginning") }
      guard try fields.count("version") == RunRecord.version else {
        throw RecordProblem(sentence: "it is of another version than \(RunRecord.version)")
      }
      let model = try DecoderConfiguration(json: json["model"] ?? .null, path: path)
      try self.init(fields, model: model, progress: TrainingProgress())
    } catch let problem as RecordProblem {
      throw .damaged(path: path, problem.sentence)
    } catch {
      throw .damaged(path: path, "\(error)")
    }
  }

  private static func isBeginning(_ json: JSON) -> Bool { json["format"]?.stringValue == format }

  /// Whether a folder holds the beginning of a run, readable in every part or not.
  static func beginningStands(in folder: String, _ fileSystem: some FileSystem) -> Bool {
    guard let bytes = try? fileSystem.read(folder + "/" + beginningFile, byteLimit: byteLimit),
      let json = try? JSON(parsing: bytes)
    else { return false }
    return isBeginning(json)
  }
}

// MARK: Progress

extension TrainingProgress {
  var json: JSON {
    .object([
      JSON.Member("step", .count(step)), JSON.Member("accumulated", .count(accumulated)),
      JSON.Member("accumulated_loss", .exact(accumulatedLoss)), JSON.Member("passed_batches", .count(abandonedBatches)),
      JSON.Member("skipped_in_a_row", .count(skippedInARow)), JSON.Member("tokens", .count(tokens)),
      JSON.Member("evaluation", evaluation?.json ?? .null),
      JSON.Member("last_evaluation", lastEvaluation?.json ?? .null),
      JSON.Member("best_evaluation", bestEvaluation?.json ?? .null),
      JSON.Member("evaluations_since_best", .count(evaluationsSinceBest)),
    ] + (accumulatedMeasures.isEmpty ? [] : [JSON.Member("accumulated_measures", .array(accumulatedMeasures.map(JSON.exact)))]))
  }

  init(_ fields: Fields) throws(RecordProblem) {
    step = try fields.count("step", most: SettingRange<Int>.most)
    accumulated = try fields.count("accumulated")
    accumulatedLoss = try fields.number("accumulated_loss")
    abandonedBatches = try fields.count("passed_batches")
    skippedInARow = try fields.count("skipped_in_a_row")
    tokens = try fields.count("tokens")
    if let evaluation = try fields.optionalObject("evaluation") {
      self.evaluation = EvaluationProgress(
        part: try evaluation.count("part"), batches: try evaluation.count("batches"),
        lossSum: try evaluation.number("loss_sum"),
        measureSums: evaluation.has("measure_sums") ? try evaluation.numbers("measure_sums") : [],
        trainingLoss: try evaluation.number("train_loss"))
    }
    lastEvaluation = try EvaluationLosses(fields.optionalObject("last_evaluation"))
    bestEvaluation = try EvaluationLosses(fields.optionalObject("best_evaluation"))
    // Older files lack it.
    if fields.has("evaluations_since_best") { evaluationsSinceBest = try fields.count("evaluations_since_best") }
    // Most runs have none.
    if fields.has("accumulated_measures") { accumulatedMeasures = try fields.numbers("accumulated_measures") }
  }
}

extension EvaluationProgress {
  fileprivate var json: JSON {
    .object([
      JSON.Member("part", .count(part)), JSON.Member("batches", .count(batches)),
      JSON.Member("loss_sum", .exact(lossSum)), JSON.Member("train_loss", .exact(trainingLoss)),
    ] + (measureSums.isEmpty ? [] : [JSON.Member("measure_sums", .array(measureSums.map(JSON.exact)))]))
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
