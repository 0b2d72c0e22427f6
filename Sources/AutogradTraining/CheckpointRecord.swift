package import AutogradBase
import AutogradModels

/// What stands in a checkpoint beside weights, moments and tokenizer: what the run is and how far it has come. The file
/// `training.json`.
public struct CheckpointRecord: Sendable {
  public let setup: RunSetup
  public let progress: TrainingProgress
  public let curve: LossCurve
  public let fingerprint: Fingerprint
  /// Another set of instructions gives other bits from here on.
  public let instructionSet: String

  static let fileName = "training.json"

  /// The validation loss of exactly these weights, where it was measured.
  public var validationLoss: Double? {
    progress.lastEvaluation.flatMap { $0.step == progress.step ? $0.validationLoss : nil }
  }

  /// Whether the run had come to its end.
  public var isFinished: Bool { progress.isSettled && progress.step >= setup.configuration.maximumSteps }

  package var json: JSON {
    let series = curve.series
    return .object(
      [JSON.Member("progress", progress.json), JSON.Member("fingerprint", .string(fingerprint.hexadecimal))]
        + setup.members
        + [
          JSON.Member("instruction_set", .string(instructionSet)),
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
    progress = try TrainingProgress(fields.object("progress"))
    fingerprint = Fingerprint(hexadecimal: try fields.string("fingerprint"))
    setup = try RunSetup(fields, model: model)
    instructionSet = try fields.string("instruction_set")
    let curve = try fields.object("curve")
    self.curve = LossCurve(
      optimum: try curve.optionalNumber("optimum"), training: try ThinnedPoints(curve.object("training")),
      validation: try ThinnedPoints(curve.object("validation")))
  }

  init(
    setup: RunSetup, progress: TrainingProgress, curve: LossCurve, fingerprint: Fingerprint, instructionSet: String
  ) {
    (self.setup, self.progress, self.curve) = (setup, progress, curve)
    (self.fingerprint, self.instructionSet) = (fingerprint, instructionSet)
  }
}

/// What a run is trained on, so that a resume on something else is found out.
public struct DataIdentity: Sendable, Equatable {
  /// Where the text was; nil for the stories.
  public let path: String?
  public let byteCount: Int
  public let sha256: String

  /// - Parameter bytes: The whole text, or the rules of the stories.
  public init(path: String?, bytes: [UInt8]) {
    self.path = path
    byteCount = bytes.count
    sha256 = Digest.of(bytes)
  }

  /// Whether both are the same bytes, wherever they lie.
  public func isSameText(as other: DataIdentity) -> Bool { byteCount == other.byteCount && sha256 == other.sha256 }

  var json: JSON {
    .object([
      JSON.Member("path", path.map { .string($0) } ?? .null), JSON.Member("bytes", .integer(Int64(byteCount))),
      JSON.Member("sha256", .string(sha256)),
    ])
  }

  init(_ fields: Fields) throws(RecordProblem) {
    path = try fields.optionalString("path")
    byteCount = try fields.count("bytes")
    sha256 = try fields.string("sha256")
  }
}
