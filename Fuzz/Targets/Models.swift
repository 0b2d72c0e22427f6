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
    let configuration = try accepted { () throws(LanguageModelError) in
      try DecoderConfiguration(vocabularySize: 3, contextLength: 2, layerCount: 1, headCount: 1, channelCount: 2)
    }
    guard let configuration else { throw BrokenProperty(description: "the small model is refused") }
    let model = Decoder<Float>(configuration)
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
