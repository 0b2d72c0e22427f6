public import AutogradBase
public import AutogradFormats
public import AutogradText

/// What can be wrong with a model, its configuration or its directory.
public enum LanguageModelError: Error, Sendable {
  case invalidConfiguration(String)
  case file(FileError)
  case json(path: String, JSONError)
  /// The weights' file cannot be read, or written, as what it is.
  case tensorFile(path: String, TensorFileError)
  case tokenizer(path: String, TextError)
  /// config.json lacks a key or has a value of the wrong kind.
  case configuration(path: String, String)
  /// The weights do not fit the configuration: every tensor that is missing, unexpected or of another shape.
  case weights(path: String, [String])
  /// Weights are NaN or infinite: the first number of each such tensor.
  case nonFiniteWeights(path: String, [String])
  /// A session that continues texts cannot be made, or cannot do what it was asked for.
  case session(SessionError)
  /// An adapter was made for other weights: both by their SHA-256.
  case otherBase(adapter: String, base: String, wanted: String, found: String)
  /// The system has no memory for the weights.
  case noMemory(byteCount: Int)
}

extension LanguageModelError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidConfiguration(let problem): problem
    case .file(let error): "\(error)"
    case .json(let path, let error): "\(path): \(error)"
    case .tensorFile(let path, let error): "\(path): \(error)"
    case .tokenizer(let path, let error): "\(path): \(error)"
    case .configuration(let path, let problem): "\(path): \(problem)"
    case .weights(let path, let problems):
      "\(path): the weights do not fit the configuration: \(problems.joined(separator: "; "))"
    case .session(let error): "\(error)"
    case .noMemory(let count):
      "not enough memory: the system has no \(count) bytes for the weights; free some, or take a smaller model"
    case .otherBase(let adapter, let base, let wanted, let found):
      "\(adapter) was made for weights with the SHA-256 \(wanted.prefix(12))…, and those of \(base) have "
        + "\(found.prefix(12))…; take the base that it was made for"
    case .nonFiniteWeights(let path, let places):
      "\(path): not all weights are finite numbers: \(places.joined(separator: "; ")); take a file from before that"
    }
  }
}
