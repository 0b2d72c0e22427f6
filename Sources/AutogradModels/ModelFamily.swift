/// A family of decoders: how its files say what a model is, and how they call and lay out its tensors.
///
/// A family is data. Whoever adds one writes a file in `Families/` and a line in `all`; nothing else asks which family a
/// model is of.
public struct ModelFamily: Sendable, Equatable {
  /// As `config.json` names it: `gpt2`.
  public let modelType: String
  /// The class that Hugging Face's transformers has for it.
  public let architecture: String
  /// The biases that a model of it has where it is to have any.
  package let biases: DecoderConfiguration.Biases
  /// What makes a model one of the family: norm, positions, feed-forward, and what a new one has.
  package let setChoices: @Sendable (inout DecoderConfiguration) -> Void
  /// What holds where `config.json` does not say otherwise; on top of the choices.
  package let setDefaults: @Sendable (inout DecoderConfiguration) -> Void
  /// What the family does not allow, though it could be computed.
  package let findProblem: @Sendable (DecoderConfiguration) -> String?
  /// The keys of `config.json`, in the order in which they are written.
  package let keys: [ConfigurationKey]
  /// Keys that other tools write and that change nothing which this library computes.
  package let harmlessKeys: Set<String>
  package let tensors: TensorLayout
  /// How its models lie in a GGUF file; nil where nobody has an architecture for them there.
  package let gguf: GGUFFamily?

  package init(
    modelType: String, architecture: String, biases: DecoderConfiguration.Biases = .all,
    setChoices: @escaping @Sendable (inout DecoderConfiguration) -> Void = { _ in },
    setDefaults: @escaping @Sendable (inout DecoderConfiguration) -> Void = { _ in },
    findProblem: @escaping @Sendable (DecoderConfiguration) -> String? = { _ in nil },
    keys: [ConfigurationKey], harmlessKeys: Set<String>, tensors: TensorLayout, gguf: GGUFFamily? = nil
  ) {
    (self.modelType, self.architecture, self.biases, self.keys) = (modelType, architecture, biases, keys)
    (self.setChoices, self.setDefaults, self.findProblem) = (setChoices, setDefaults, findProblem)
    (self.harmlessKeys, self.tensors, self.gguf) = (harmlessKeys, tensors, gguf)
  }

  /// Every family that can be opened.
  public static let all: [ModelFamily] = [.gpt2, .llama, .mistral, .qwen2, .qwen3, .arcee, .nanochat]

  /// What a new model is of where nobody chose.
  public static let standard = ModelFamily.gpt2

  /// The family that files call so; nil where there is none.
  public static func named(_ modelType: String) -> ModelFamily? {
    all.first { $0.modelType.hasSameBytes(as: modelType) }
  }

  /// Whether a new model of it has biases where nobody said.
  package var usuallyHasBiases: Bool { DecoderConfiguration(unchecked: self).hasBias }

  /// There is one family of a name.
  public static func == (a: ModelFamily, b: ModelFamily) -> Bool { a.modelType == b.modelType }
}

extension ModelFamily {
  /// What messages, the optimiser's state and the fingerprint call a tensor: its name in files without the prefix; its
  /// path where files hold it in several.
  func storedName(of tensor: TensorDescription) -> String { tensors.name(of: tensor) ?? tensor.path }

  /// The tensors of a hub folder's file that hold one of the model's.
  package func stored(_ tensor: TensorDescription, _ configuration: DecoderConfiguration) -> [StoredTensor] {
    tensors.stored(tensor, configuration)
  }

  /// The biases that such files hold although the model has none: zeros.
  package func zeroBiases(_ configuration: DecoderConfiguration) -> [StoredTensor] { tensors.zeroBiases(configuration) }
}
