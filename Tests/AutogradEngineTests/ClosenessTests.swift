import AutogradEngine
import AutogradBase
import AutogradTestSupport
import Testing

/// The tests' own judge: it must refuse what is wrong.
@Suite("Closeness")
struct ClosenessTests {
  let tolerance = Tolerance(relative: 1e-3)

  @Test("speaks of the shape first")
  func shape() {
    let failure = closenessFailure([[1, 2]] as Tensor<Float>, [1, 2] as Tensor<Float>, tolerance)
    #expect(failure == "shape [1, 2], expected [2]")
    #expect(closenessFailure([1.0], [1.0, 2.0], tolerance) == "1 elements, expected 2")
  }

  @Test("names the first bad element, both values and the tolerance")
  func element() {
    let failure = closenessFailure([1, 2.1, 9.0], [1, 2.0, 3.0], Tolerance(relative: 0, absolute: 0.0625))
    #expect(failure?.hasPrefix("element 1 is 2.1, expected 2.0: off by 0.1") == true)
    #expect(failure?.hasSuffix("tolerance 0.0625") == true)
  }

  @Test(
    "refuses what is off by more, and what is not a number",
    arguments: [
      (1.0011, 1.0), (0.9989, 1), (-1, 1), (.nan, 1), (1, .nan), (.infinity, 1), (1, .infinity),
      (-.infinity, .infinity),
      (0.0001, 0),
    ])
  func refuses(pair: (Double, Double)) {
    #expect(closenessFailure([pair.0], [pair.1], tolerance) != nil)
  }

  @Test(
    "accepts what is near",
    arguments: [
      (1.0009, 1.0), (0, 0), (.nan, .nan), (.infinity, .infinity), (-.infinity, -.infinity), (1000.9, 1000),
    ])
  func accepts(pair: (Double, Double)) {
    #expect(closenessFailure([pair.0], [pair.1], tolerance) == nil)
  }

  @Test("bits: zeros differ by their sign, one ulp is a difference, any NaN is a NaN")
  func bits() {
    #expect(bitFailure([0.0], [-0.0]) != nil)
    #expect(bitFailure([Float(1)], [Float(1).nextUp])?.contains("bit for bit") == true)
    #expect(bitFailure([Double.nan], [-(Double.nan)]) == nil)
    #expect(bitFailure([Double(1)], []) != nil)
  }

  @Test("an issue is recorded where the judgement is bad")
  func issue() {
    withKnownIssue { expectClose([1.0], [2.0], tolerance, "here") }
    withKnownIssue { expectSameBits([1.0], [Double(1).nextUp]) }
  }

  @Test("fixtures that are not there are an error")
  func fixtures() {
    #expect(throws: (any Error).self) { try fixture("no-such-file") }
  }

  @Test("a temporary directory is empty at first and gone at last, with all that was put there")
  func temporary() throws {
    let files = POSIXFileSystem()
    let path = try temporaryDirectory { path in
      #expect(try files.list(path).isEmpty)
      try files.createDirectory("\(path)/inner")
      try files.create("\(path)/inner/file", [1, 2, 3])
      return path
    }
    #expect(!files.exists(path))
    #expect(throws: CancellationError.self) { try temporaryDirectory { _ in throw CancellationError() } }
  }

  @Test("random tensors depend on seed and shape only")
  func random() {
    let a: Tensor<Double> = randomTensor([3, 4], seed: 5)
    #expect(a == randomTensor([3, 4], seed: 5))
    #expect(a != randomTensor([3, 4], seed: 6))
    let away: Tensor<Double> = randomTensor([1000], .awayFromZero, seed: 1)
    #expect(away.elements.allSatisfy { abs($0) >= 0.3 && abs($0) < 2 })
    #expect(away.elements.contains { $0 < 0 } && away.elements.contains { $0 > 0 })
  }
}
