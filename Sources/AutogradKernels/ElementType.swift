/// The type of a tensor's elements.
public enum ElementType: Sendable {
  case float32
  case float64

  /// Bytes per element.
  public var size: Int {
    switch self {
    case .float32: 4
    case .float64: 8
    }
  }
}
