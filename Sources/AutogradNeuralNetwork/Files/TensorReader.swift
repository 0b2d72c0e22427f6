import AutogradEngine
import AutogradBase
import AutogradFormats

/// Takes tensors out of a file and keeps a list of what does not fit.
struct TensorReader<Scalar: TensorScalar> {
  private var comparison: TensorComparison
  private let contents: SafetensorsFile
  private let allowsNonfinite: Bool

  init(_ contents: SafetensorsFile, allowsNonfinite: Bool) {
    self.contents = contents
    self.allowsNonfinite = allowsNonfinite
    comparison = TensorComparison(contents)
  }

  var problems: [String] { comparison.problems }

  mutating func note(_ problem: String) { comparison.note(problem) }

  mutating func tensor(_ name: String, _ shape: [Int]) -> Tensor<Scalar>? {
    guard comparison.take(name, shape: shape) != nil, let entry = contents.entry(name) else { return nil }
    do throws(SafetensorsError) {
      guard entry.dtype != .f64 || Scalar.elementType == .float64 else {
        comparison.note("\(name) is F64 and would be rounded")
        return nil
      }
      let elements =
        switch Scalar.elementType {
        case .float32: try contents.floats(name).map { Scalar($0) }
        case .float64: try contents.doubles(name).map { Scalar($0) }
        }
      if !allowsNonfinite, let index = elements.firstIndex(where: { !$0.isFinite }) {
        comparison.note("\(name) holds \(elements[index]) at index \(index)")
        return nil
      }
      return Tensor(shape: shape, elements)
    } catch {
      comparison.note("\(name) is \(entry.dtype.name), expected real numbers")
      return nil
    }
  }

  mutating func noteRest(except isKnown: (String) -> Bool) { comparison.noteRest(except: isKnown) }
}
