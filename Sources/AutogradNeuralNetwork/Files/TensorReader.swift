import AutogradEngine
import AutogradBase
import AutogradFormats

/// Takes tensors out of a file and keeps a list of what does not fit.
struct TensorReader<Scalar: TensorScalar> {
  var problems: [String] = []
  private let contents: SafetensorsFile
  private let allowsNonfinite: Bool
  private var read: Set<ExactString> = []

  init(_ contents: SafetensorsFile, allowsNonfinite: Bool) {
    self.contents = contents
    self.allowsNonfinite = allowsNonfinite
  }

  mutating func tensor(_ name: String, _ shape: [Int]) -> Tensor<Scalar>? {
    guard let entry = contents.entry(name) else {
      problems.append("\(name) is missing")
      return nil
    }
    read.insert(ExactString(name))
    guard entry.shape == shape else {
      problems.append("\(name) has shape \(entry.shape), expected \(shape)")
      return nil
    }
    do throws(SafetensorsError) {
      guard entry.dtype != .f64 || Scalar.elementType == .float64 else {
        problems.append("\(name) is F64 and would be rounded")
        return nil
      }
      let elements =
        switch Scalar.elementType {
        case .float32: try contents.floats(name).map { Scalar($0) }
        case .float64: try contents.doubles(name).map { Scalar($0) }
        }
      if !allowsNonfinite, let index = elements.firstIndex(where: { !$0.isFinite }) {
        problems.append("\(name) holds \(elements[index]) at index \(index)")
        return nil
      }
      return Tensor(shape: shape, elements)
    } catch {
      problems.append("\(name) is \(entry.dtype.name), expected real numbers")
      return nil
    }
  }

  mutating func reportUnread(except isKnown: (String) -> Bool) {
    for name in contents.names where !read.contains(ExactString(name)) && !isKnown(name) {
      problems.append("\(name.quotedForMessage) is unexpected")
    }
  }
}
