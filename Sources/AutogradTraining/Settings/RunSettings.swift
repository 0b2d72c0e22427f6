import AutogradBase
import AutogradModels

/// The values of all settings of a run; `Setting.all` says what each is called and may be.
///
/// Threads and traces are not among them, nor in checkpoints: no bit depends on them, and every start has its own.
public struct RunSettings: Sendable, Equatable, CustomStringConvertible {
  public var configuration = TrainingConfiguration()
  public var batchSize = 12
  /// T: tokens per window.
  public var blockSize = 64
  /// The share of the text's tokens, the last ones, that training never sees.
  public var validationFraction = 0.1
  /// How often all windows are seen; nil where the number of steps was given itself. The command works out steps from it.
  public var epochs: Double?
  /// Whether a token sees its own document only, where there are several.
  public var keepsDocumentsApart = false
  /// Writes conversations; nil takes the template that the model brings, and a run that has begun names the one it took.
  public var chatTemplate: ChatTemplateName?
  /// Whether of questions and answers the answers alone are learnt.
  public var masksPrompt = true
  public var layerCount = 4, headCount = 4, channelCount = 128
  public var dropout = 0.0
  public var hasBias = false
  /// The family of a new model.
  public var family = ModelFamily.standard
  /// Choices that follow from the sizes and the family where they are nil: see `DecoderConfiguration`.
  public var keyValueHeadCount, headSize, feedForwardWidth: Int?
  public var rotaryBase: Double?
  /// Tokens that attention looks back; 0 looks back to the first.
  public var window: Int?
  public var tiesHead: Bool?
  /// Whether backward computes activations again: memory and time depend on it, bits do not.
  public var recomputesBlocks = false
  /// The model directory, from the root, whose weights the run begins with; nil for new weights.
  public var initFrom: String?
  /// What texts are turned into ids by: the path, from the root, of a vocabulary, or `char`; nil for the characters that the
  /// text has, or for the vocabulary of `initFrom`.
  public var tokenizer: String?
  /// How the numbers of the model's folder are written; checkpoints keep float32.
  public var weights = WeightType.float32
  /// Weights that stay as they are; nil where all are trained.
  public var frozen: FrozenWeights?
  /// The rank of an adapter that is trained in the place of the model's weights; nil trains those.
  public var adapterRank: Int?
  /// What the adapter's product is scaled by, times its rank (or the root of that); nil for twice the rank.
  public var adapterAlpha: Double?
  public var adapterDropout = 0.0
  public var adapterTargets = AdapterTargets.all
  public var isRankStabilized = false
  /// How the large weights under an adapter lie in memory.
  public var baseWeights = GenerationWeights.asStored

  public init() {}

  /// What was given, the preset's values for the rest.
  ///
  /// A preset's sizes are for any family; whether there are biases, it says for its own, and other families have those
  /// that are usual there.
  package init(_ preset: TrainingPreset, _ given: GivenSettings) {
    self = preset.settings
    for setting in Setting.all {
      if let value = given[setting.key] { _ = setting.set(value, in: &self) }
    }
    if family != preset.settings.family, !given.contains("bias") { hasBias = family.usuallyHasBiases }
  }

  /// The adapter that is trained; nil where the model itself is.
  package var adapter: AdapterConfiguration? {
    guard let adapterRank else { return nil }
    var configuration = AdapterConfiguration()
    (configuration.rank, configuration.alpha) = (adapterRank, adapterAlpha ?? Double(2 * adapterRank))
    (configuration.dropout, configuration.targets) = (adapterDropout, adapterTargets)
    configuration.isRankStabilized = isRankStabilized
    return configuration
  }

  /// What is wrong with the values, in words; nil where nothing is.
  package var problem: String? { problem(in: [.model, .run, .training, .saving]) }

  func problem(in sections: [Setting.Section]) -> String? {
    for setting in Setting.all where sections.contains(setting.section) {
      if let problem = setting.problem(in: self) { return problem }
    }
    return nil
  }

  /// As options, without choices that follow from the others.
  public var description: String {
    let implied = implied
    return Setting.all.compactMap { setting in
      let value = setting.value(in: self)
      return value.isNull || implied[setting.key] == value ? nil : setting.phrase(value)
    }.joined(separator: " ")
  }

  /// What the choices would be if nobody had made any.
  private var implied: GivenSettings {
    var plain = self, result = GivenSettings()
    plain.leaveChoicesOpen()
    guard let model = try? DecoderConfiguration(plain, vocabularySize: 1) else { return result }
    plain.takeSizes(of: model)
    plain.family = .standard
    for setting in Setting.choices { result[setting.key] = setting.value(in: plain) }
    return result
  }

  private mutating func leaveChoicesOpen() {
    (keyValueHeadCount, headSize, feedForwardWidth, rotaryBase, window, tiesHead) = (nil, nil, nil, nil, nil, nil)
  }

  // MARK: Going on with a run

  /// These settings with what may change taken from `asked`, where it was given.
  ///
  /// A learning rate that was to fall until the end of the run falls until its new end, if that comes later.
  package func changed(by asked: RunSettings, given: Set<String>) -> RunSettings {
    var result = self
    for setting in Setting.all where setting.resume == .mayChange && given.contains(setting.key) {
      _ = setting.set(setting.value(in: asked), in: &result)
    }
    let end = configuration.maximumSteps, newEnd = result.configuration.maximumSteps
    if !given.contains("lr_decay_iters"), configuration.schedule.decaySteps == end {
      result.configuration.decaySteps = newEnd > end ? nil : end
    }
    return result
  }

  /// What `asked` gives and these settings contradict, in words: `--n-layer 2 (not 4)`.
  package func contradictions(to asked: RunSettings, given: Set<String>) -> [String] {
    Setting.all.compactMap { setting in
      let own = setting.value(in: self), other = setting.value(in: asked)
      guard given.contains(setting.key), setting.resume == .mustStay, own != other else { return nil }
      return "\(setting.phrase(own)) (not \(Setting.text(other)))"
    }
  }

  // MARK: In files

  /// Everything but the sizes, which stand with the model.
  var members: [JSON.Member] {
    func members(_ sections: [Setting.Section]) -> [JSON.Member] {
      Setting.all.filter { sections.contains($0.section) }.map { JSON.Member($0.key, $0.value(in: self)) }
    }
    return [JSON.Member("training", .object(members([.training, .saving])))] + members([.run])
  }

  /// Reads what `members` writes.
  ///
  /// - Throws: Where a key is missing that every file has, a value of another type, or outside its range.
  init(_ fields: Fields) throws(RecordProblem) {
    let training = try fields.object("training")
    for setting in Setting.all {
      switch setting.section {
      case .model: break
      case .run: try fields.read(setting, into: &self)
      case .training, .saving: try training.read(setting, into: &self)
      }
    }
  }
}
