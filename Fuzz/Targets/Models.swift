import AutogradBase
import AutogradModels
import AutogradFormats
import AutogradText

extension FuzzTarget {
  /// A configuration that is accepted can be written, and made into a model when it is small.
  static let configuration = FuzzTarget("config") { bytes throws(BrokenProperty) in
    let json = try accepted { () throws(JSONError) in try JSON(parsing: bytes) }
    guard let json else { return false }
    let configuration = try accepted { () throws(LanguageModelError) in
      try DecoderConfiguration(json: json, path: "config.json")
    }
    guard let configuration else { return false }
    let again = try accepted { () throws(LanguageModelError) in
      try DecoderConfiguration(json: configuration.json, path: "config.json")
    }
    try require(again == configuration, "\(configuration) reads back as \(String(describing: again))")
    if configuration.layerCount <= 8, configuration.channelCount <= 1 << 12 {
      try require(Decoder<Float>(configuration).parameterCount > 0, "a model without parameters")
    }
    return true
  }

  /// Weights for one small model: all tensors are found and are finite, or an error lists what is wrong.
  static let weights = FuzzTarget("weights") { bytes throws(BrokenProperty) in
    let file = try accepted { () throws(SafetensorsError) in try SafetensorsFile(bytes: bytes) }
    guard let file else { return false }
    let model = try smallModel()
    let loaded: Void? = try accepted { () throws(LanguageModelError) in
      try ModelDirectory("model").load(into: model, from: file)
    }
    guard loaded != nil else { return false }
    for named in model.parameters {
      try require(named.parameter.array.allSatisfy(\.isFinite), "\(named.path) holds a number that is not finite")
    }
    return true
  }
}

extension FuzzTarget {
  /// An index over one shard, which holds a small model: it is that model's, or an error says what is wrong; written
  /// again it is the same.
  static let index = FuzzTarget("index") { bytes throws(BrokenProperty) in
    let index = try accepted { () throws(SafetensorsIndexError) in try SafetensorsIndex(parsing: bytes) }
    guard let index else { return false }
    let again = try accepted { () throws(SafetensorsIndexError) in
      try SafetensorsIndex(parsing: index.json.serialized())
    }
    try require(again == index, "an index reads back as another")
    try require(index.shards.allSatisfy { !$0.contains("/") }, "a name leads out of the folder")
    let shard = try smallModelBytes(), name = "model-00001-of-00001.safetensors"
    let shards = try accepted { () throws(TensorFileError) in
      try ShardedSafetensors(index) { file throws(FileError) in
        guard file.hasSameBytes(as: name) else { throw .notFound(.read, path: "a shard") }
        return FileInMemory(path: name, bytes: shard)
      }
    }
    guard let shards else { return false }
    try require(shards.tensors.count == index.entries.count, "tensors were lost")
    return true
  }
}

/// GPT-2 in the smallest sizes.
private func smallModel() throws(BrokenProperty) -> Decoder<Float> {
  let configuration = try accepted { () throws(LanguageModelError) in
    try DecoderConfiguration(vocabularySize: 3, contextLength: 2, layerCount: 1, headCount: 1, channelCount: 2)
  }
  guard let configuration else { throw BrokenProperty(description: "the small model is refused") }
  return Decoder<Float>(configuration)
}

/// Its weights as a file.
private func smallModelBytes() throws(BrokenProperty) -> [UInt8] {
  let model = try smallModel()
  model.initialize(seed: 1)
  var writer = SafetensorsWriter()
  for tensor in model.tensors {
    for stored in model.configuration.family.stored(tensor.description, model.configuration) {
      _ = try accepted { () throws(SafetensorsError) in
        try writer.add(stored.name, shape: stored.shape, floats: [Float](repeating: 0, count: stored.count))
      }
    }
  }
  guard let bytes = try accepted({ () throws(SafetensorsError) in try writer.serialized() }) else {
    throw BrokenProperty(description: "the small model cannot be written")
  }
  return bytes
}

/// Whether a GGUF file holds a model that can be made. The sizes are the file's, and tensors have them.
func isModel(_ file: GGUFFile) throws(BrokenProperty) -> Bool {
  let configuration = try accepted { () throws(LanguageModelError) in try DecoderConfiguration(gguf: file, path: "x.gguf") }
  guard let configuration else { return false }
  let model = try accepted { () throws(LanguageModelError) in
    try GGUFModel("x.gguf", file: file).loadModel(as: Float.self, dropout: nil)
  }
  guard let model else { return false }
  try require(model.configuration == configuration, "\(model.configuration) instead of \(configuration)")
  for named in model.parameters {
    try require(named.parameter.array.allSatisfy { $0.isFinite }, "\(named.path) is not finite")
  }
  return true
}
