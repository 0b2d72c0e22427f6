package import AutogradEngine
import AutogradBase
package import AutogradFormats

/// Takes tensors out of a file and keeps a list of what does not fit.
package struct TensorReader<Scalar: TensorScalar> {
  private var comparison: TensorComparison
  private let contents: any TensorFile
  private let allowsNonfinite: Bool

  package init(_ contents: any TensorFile, allowsNonfinite: Bool) {
    self.contents = contents
    self.allowsNonfinite = allowsNonfinite
    comparison = TensorComparison(contents)
  }

  package var problems: [String] { comparison.problems }

  package mutating func note(_ problem: String) { comparison.note(problem) }

  package mutating func tensor(_ name: String, _ shape: [Int]) -> Tensor<Scalar>? {
    guard comparison.take(name, shape: shape) != nil, let entry = contents.tensor(name) else { return nil }
    guard entry.encoding.isReal else {
      comparison.note("\(name) is \(entry.encoding.name), expected real numbers")
      return nil
    }
    guard entry.encoding != TensorDType.f64.encoding || Scalar.elementType == .float64 else {
      comparison.note("\(name) is F64 and would be rounded")
      return nil
    }
    do throws(TensorFileError) {
      let all = 0..<entry.elementCount
      let elements =
        switch Scalar.elementType {
        case .float32: try contents.readFloats(name, all).map { Scalar($0) }
        case .float64: try contents.readDoubles(name, all).map { Scalar($0) }
        }
      if !allowsNonfinite, let index = elements.firstIndex(where: { !$0.isFinite }) {
        comparison.note("\(name) holds \(elements[index]) at index \(index)")
        return nil
      }
      return Tensor(shape: shape, elements)
    } catch {
      comparison.note("\(name): \(error)")
      return nil
    }
  }

  package mutating func noteRest(except isKnown: (String) -> Bool) { comparison.noteRest(except: isKnown) }
}
