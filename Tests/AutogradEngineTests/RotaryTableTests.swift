import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Rotary tables")
struct RotaryTableTests {
  @Test("frequencies are base^(−2j/R), and scaled as transformers has it")
  func frequencies() {
    let plain = RotaryTable<Double>.frequencies(8, base: 10_000, .none)
    expectClose(plain, [1, 0.1, 0.01, 0.001].map { $0 as Double }, Tolerance(relative: 1e-15, absolute: 0), "none")
    let linear = RotaryTable<Double>.frequencies(8, base: 10_000, .linear(factor: 4))
    expectClose(linear, plain.map { $0 / 4 }, Tolerance(relative: 1e-15, absolute: 0), "linear")
    // `_compute_llama3_parameters` of transformers 5.24, which computes in float32.
    let llama = RotaryTable<Double>.frequencies(
      16, base: 500_000, .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalContext: 8192))
    expectClose(
      llama,
      [
        1, 0.193922758102417, 0.03760603070259094, 0.00729266507551074, 0.0005248460220173001, 3.428102354519069e-05,
        6.647869668086059e-06, 1.289173155782919e-06,
      ].map { $0 as Double }, Tolerance(relative: 3e-7, absolute: 0), "llama3")
  }

  @Test("positions are filled as they are needed, and keep their values")
  func filling() {
    let table = RotaryTable<Double>(contextLength: 9, headSize: 4, share: 0.5, direction: .backward)
    #expect(table.rotatedSize == 2 && table.byteCount == 9 * 2 * 8)
    unsafe _ = table.core.pointers(filledTo: 2)
    #expect(table.reserve(positions: 3) && table.reserve())
    let (cosines, sines) = unsafe table.core.pointers(filledTo: 9)
    for position in 0..<9 {
      let cosine = unsafe cosines.load(fromByteOffset: position * 8, as: Double.self)
      let sine = unsafe sines.load(fromByteOffset: position * 8, as: Double.self)
      #expect(abs(cosine * cosine + sine * sine - 1) < 1e-15)
      #expect(position == 0 || position > 3 || sine < 0, "backward: \(position)")
    }
    #expect(unsafe abs(cosines.load(fromByteOffset: 8, as: Double.self) - 0.5403023058681398) < 1e-16)
  }
}
