public import AutogradBase

/// Why a module could not be saved or loaded.
public enum ModuleFileError: Error, Sendable, CustomStringConvertible {
  case file(FileError)
  /// The file is no safetensors file, or cannot be written as one.
  case safetensors(path: String, String)
  /// The file does not fit the module or the optimiser: every tensor that is missing, unexpected, of another
  /// shape or type, or not finite.
  case mismatch(path: String, [String])

  public var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .safetensors(let path, let problem): "\(path): \(problem)"
    case .mismatch(let path, let problems): "\(path) does not fit: \(problems.joined(separator: "; "))"
    }
  }
}
