import AutogradBase
import AutogradEngine
import AutogradFormats

/// How a family's models lie in a GGUF file: what llama.cpp calls them, their sizes and their tensors.
package struct GGUFFamily: Sendable {
  /// `general.architecture`; several families may be one there.
  let architecture: String
  /// The keys below the architecture's name, in the order in which they are written.
  let keys: [GGUFKey]
  /// Keys below it that other tools write and that change nothing which is computed.
  let harmlessKeys: Set<String>
  let tensors: TensorLayout
  /// The biases that llama.cpp knows for the architecture.
  let biases: DecoderConfiguration.Biases
  /// Parts that are written as F32 whatever the others are.
  let singleParts: Set<String>
  /// Whether the head is written although it is tied.
  let writesTiedHead: Bool

  init(
    architecture: String, keys: [GGUFKey], harmlessKeys: Set<String> = [], tensors: TensorLayout,
    biases: DecoderConfiguration.Biases, singleParts: Set<String> = [], writesTiedHead: Bool = false
  ) {
    (self.architecture, self.keys, self.harmlessKeys, self.tensors) = (architecture, keys, harmlessKeys, tensors)
    (self.biases, self.singleParts, self.writesTiedHead) = (biases, singleParts, writesTiedHead)
  }
}

/// What a GGUF file says of a model before anything is known of it: its keys, and its tensors' shapes.
struct GGUFDescription {
  let architecture: String
  let metadata: GGUFMetadata
  private let file: (any TensorFile)?
  private let shapes: [ExactString: [Int]]

  init(_ architecture: String, _ metadata: GGUFMetadata, _ file: any TensorFile) {
    (self.architecture, self.metadata, self.file, shapes) = (architecture, metadata, file, [:])
  }

  /// What is to be written, without its numbers.
  init(_ architecture: String, _ metadata: GGUFMetadata, shapes: [(name: String, shape: [Int])]) {
    (self.architecture, self.metadata, file) = (architecture, metadata, nil)
    self.shapes = Dictionary(shapes.map { (ExactString($0.name), $0.shape) }) { first, _ in first }
  }

  /// The value of a key below the architecture's name.
  subscript(key: String) -> GGUFValue? { metadata["\(architecture).\(key)"] }

  func shape(of tensor: String) -> [Int]? { file?.tensor(tensor)?.shape ?? shapes[ExactString(tensor)] }

  /// The numbers of a tensor; nil where there is none, or it cannot be read.
  func numbers(of tensor: String) -> [Float]? {
    guard let entry = file?.tensor(tensor), entry.encoding.isReal, entry.elementCount <= 1 << 20 else { return nil }
    return try? file?.readFloats(tensor, 0..<entry.elementCount)
  }

  /// Whether two tensors hold the same numbers; false where there is nothing to read.
  func areEqual(_ first: String, _ second: String) throws(TensorFileError) -> Bool {
    guard let file else { return false }
    guard let a = file.tensor(first), let b = file.tensor(second), a.shape == b.shape, a.encoding.isReal,
      b.encoding.isReal
    else { return false }
    for start in stride(from: 0, to: a.elementCount, by: 1 << 20) {
      let range = start..<min(a.elementCount, start + 1 << 20)
      if try file.readFloats(first, range) != file.readFloats(second, range) { return false }
    }
    return true
  }
}

/// A key of an architecture and what it says, both ways; or several that say one thing together, with tensors.
struct GGUFKey: Sendable {
  /// All that it knows, without the architecture.
  let names: [String]
  /// Takes values over; what is wrong otherwise, in words.
  let read: @Sendable (GGUFDescription, inout DecoderConfiguration) throws(TensorFileError) -> String?
  let write: @Sendable (DecoderConfiguration) -> [(key: String, value: GGUFValue)]

  init(
    _ names: [String],
    read: @escaping @Sendable (GGUFDescription, inout DecoderConfiguration) throws(TensorFileError) -> String?,
    write: @escaping @Sendable (DecoderConfiguration) -> [(key: String, value: GGUFValue)] = { _ in [] }
  ) {
    (self.names, self.read, self.write) = (names, read, write)
  }

  typealias Place<Value> = WritableKeyPath<DecoderConfiguration, Value> & Sendable

  /// A size.
  static func size(_ name: String, at place: Place<Int>, isRequired: Bool = true) -> GGUFKey {
    GGUFKey([name]) { file, configuration in
      guard let value = file[name] else { return isRequired ? "the key \"\(file.architecture).\(name)\" is missing" : nil }
      guard let size = value.intValue, size >= 1 else {
        return "\"\(file.architecture).\(name)\" must be a whole number of at least 1"
      }
      configuration[keyPath: place] = size
      return nil
    } write: { [(name, .uint32(UInt32(clamping: $0[keyPath: place])))] }
  }

  /// A number that a Float holds; read as the shortest decimal that means it, as people wrote it.
  static func number(_ name: String, at place: Place<Double>) -> GGUFKey {
    GGUFKey([name]) { file, configuration in
      guard let value = file[name] else { return "the key \"\(file.architecture).\(name)\" is missing" }
      guard let number = value.decimal, number.isFinite, number >= 0 else {
        return "\"\(file.architecture).\(name)\" must be a number of at least 0"
      }
      configuration[keyPath: place] = number
      return nil
    } write: { [(name, .float32(Float($0[keyPath: place])))] }
  }

  /// A key that changes what is computed, and of which only these values are known. It need not be written.
  static func only(_ name: String, _ values: GGUFValue...) -> GGUFKey {
    GGUFKey([name]) { file, _ in
      guard let value = file[name], !values.contains(value) else { return nil }
      return "\"\(file.architecture).\(name)\" is \(value.short), which this version cannot compute"
    }
  }

  /// A key that repeats what the file says elsewhere.
  static func repeated(
    _ name: String, isRequired: Bool = false, _ value: @escaping @Sendable (DecoderConfiguration) -> Int
  ) -> GGUFKey {
    GGUFKey([name]) { file, configuration in
      guard let found = file[name] else { return nil }
      let expected = value(configuration)
      if found.intValue == expected { return nil }
      return "\"\(file.architecture).\(name)\" is \(found.short), but the tensors say \(expected)"
    } write: { [(name, .uint32(UInt32(clamping: value($0))))] }
  }
}

// MARK: Keys that several architectures share

extension GGUFKey {
  static let sizes: [GGUFKey] = [
    .size("context_length", at: \.contextLength), .size("embedding_length", at: \.channelCount),
    .size("block_count", at: \.layerCount), .size("feed_forward_length", at: \.feedForwardWidth),
    .size("attention.head_count", at: \.headCount),
  ]

  /// What a model that goes back to Llama has.
  static let rotarySizes = sizes + [
    .size("attention.head_count_kv", at: \.keyValueHeadCount, isRequired: false), headSize, vocabulary,
    .number("attention.layer_norm_rms_epsilon", at: \.normEpsilon), rotary, head, biases,
  ] + unsupported

  /// D, where it is not C/H.
  private static let headSize = GGUFKey(["attention.key_length", "attention.value_length"]) { file, configuration in
    let sizes = ["attention.key_length", "attention.value_length"].compactMap { file[$0] }
    guard let first = sizes.first else { return nil }
    guard let size = first.intValue, size >= 1 else {
      return "\"\(file.architecture).attention.key_length\" must be a whole number of at least 1"
    }
    guard sizes.allSatisfy({ $0.intValue == size }) else {
      return "keys and values have heads of different sizes, which this version cannot compute"
    }
    configuration.headSize = size
    return nil
  } write: { configuration in
    if configuration.headSize * configuration.headCount == configuration.channelCount { return [] }
    let size = GGUFValue.uint32(UInt32(clamping: configuration.headSize))
    return [("attention.key_length", size), ("attention.value_length", size)]
  }

  /// V: as many as the embedding has rows.
  static let vocabulary = GGUFKey(["vocab_size"]) { file, configuration in
    guard let shape = file.shape(of: "token_embd.weight"), shape.count == 2 else {
      return "the tensor token_embd.weight, whose rows are the vocabulary, is missing or no matrix"
    }
    configuration.vocabularySize = shape[0]
    guard let stated = file["vocab_size"], stated.intValue != shape[0] else { return nil }
    return "\"\(file.architecture).vocab_size\" is \(stated.short), but token_embd.weight has \(shape[0]) rows"
  } write: { [("vocab_size", .uint32(UInt32(clamping: $0.vocabularySize)))] }

  /// Whether the head has a weight of its own: where there is one that is not the embedding once more.
  static let head = GGUFKey([]) { file, configuration throws(TensorFileError) in
    guard file.shape(of: "output.weight") != nil else {
      configuration.head = .tied
      return nil
    }
    configuration.head = try file.areEqual("output.weight", "token_embd.weight") ? .tied : .own
    return nil
  }

  /// The biases that there are tensors for, in the first block as in all.
  private static let biases = GGUFKey([]) { file, configuration in
    let named: [(DecoderConfiguration.Biases, String)] = [
      (.attentionInput, "attn_q"), (.attentionOutput, "attn_output"), (.feedForward, "ffn_up"),
    ]
    configuration.biases = []
    for (biases, name) in named where file.shape(of: "blk.0.\(name).bias") != nil { configuration.biases.insert(biases) }
    return nil
  }

  /// Mistral's: one window for all layers. It is read only; see the family.
  static let window = GGUFKey(["attention.sliding_window"]) { file, configuration in
    guard let value = file["attention.sliding_window"] else { return nil }
    guard let size = value.intValue, size >= 1 else {
      return "\"\(file.architecture).attention.sliding_window\" must be a whole number of at least 1"
    }
    configuration.window = DecoderConfiguration.Window(size: size)
    return nil
  }

  /// What changes the computation, and is not here.
  static let unsupported: [GGUFKey] = [
    .only("expert_count", .uint32(0)), .only("expert_used_count", .uint32(0)), .only("attention.causal", .bool(true)),
    .only("attention.scale", .float32(0)), .only("logit_scale", .float32(0), .float32(1)),
    .only("embedding_scale", .float32(0), .float32(1)), .only("residual_scale", .float32(0), .float32(1)),
    .only("attention.sliding_window", .uint32(0)), .only("tensor_data_layout", .string("Meta AI original pth")),
  ]
}

extension GGUFValue {
  /// As a message shows it.
  var short: String {
    switch self {
    case .bool(let value): "\(value)"
    case .string(let value): value.quotedForMessage
    case .array(let values): "an array of \(values.count)"
    default: intValue.map { "\($0)" } ?? decimal.map { "\($0)" } ?? "a number"
    }
  }

  /// A number; one that was rounded to a Float as the shortest decimal that is rounded so.
  var decimal: Double? {
    if case .float32(let value) = self { return Double("\(value)") ?? Double(value) }
    return doubleValue
  }
}

// MARK: Tensors

extension ModelFamily {
  /// How GGUF files call the tensors of the families that go back to Llama.
  ///
  /// - Parameters:
  ///   - feedForward: The parts of the feed-forward layers.
  ///   - pairsRows: Whether the rows of queries and keys stand pair by pair.
  static func ggufTensors(feedForward: [TensorLayout.Part], pairsRows: Bool) -> TensorLayout {
    TensorLayout(
      prefix: "", block: "blk.",
      parts: [
        .init("tokenEmbedding", "token_embd"), .init("attentionNorm", "attn_norm"),
        .init("attention.input", ["attn_q", "attn_k", "attn_v"], rows: { $0.attentionInputRows }, paired: pairsRows ? ["attn_q", "attn_k"] : []),
        .init("attention.output", "attn_output"), .init("attention.queryNorm", "attn_q_norm"),
        .init("attention.keyNorm", "attn_k_norm"), .init("feedForwardNorm", "ffn_norm"),
      ] + feedForward + [.init("finalNorm", "output_norm"), .init("head", "output")],
      ignoredEndings: [RotaryFactors.name])
  }

  /// SwiGLU's three matrices.
  static let ggufGatedParts: [TensorLayout.Part] = [
    .init("feedForward.input", alternating: ["ffn_gate", "ffn_up"]), .init("feedForward.output", "ffn_down"),
  ]
}
