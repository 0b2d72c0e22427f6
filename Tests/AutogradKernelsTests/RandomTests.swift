import AutogradEngine
import AutogradBase
import CAutogradKernels
import AutogradKernels
import AutogradTestSupport
import Testing

@Suite("Random numbers in kernels")
struct RandomTests {
  @Test("dropout keeps what AutogradBase.Philox says, however the range is cut", arguments: [0.0, 0.1, 0.5, 0.999])
  func dropout(rate: Double) {
    let key: UInt64 = 0xDEAD_BEEF_0123_4567,
      counters: (UInt32, UInt32, UInt32) = (7, 0xFFFF_FFFF, 0x0300_0001)
    for count in [1, 3, 64, 203] {
      let expected = (0..<count).map { index -> Float in
        let block = Philox.block(key: key, counter: (UInt32(index / 4), counters.0, counters.1, counters.2))
        let word = [block.0, block.1, block.2, block.3][index % 4]
        return word >= UInt32(rate * 4_294_967_296) ? Float(1 / (1 - rate)) : 0
      }
      let ones = [Float](repeating: 1, count: count)
      forEachInstructionSet { backend in
        var whole = [Float](repeating: .nan, count: count), cut = whole
        ones.withUnsafeBytes { x in
          func arguments(_ y: UnsafeMutableRawBufferPointer) -> ck_dropout {
            ck_dropout(
              y: y.baseAddress, x: x.baseAddress, rate: rate, key: key, counter1: counters.0,
              counter2: counters.1,
              counter3: counters.2, accumulate: 0)
          }
          whole.withUnsafeMutableBytes { y in backend.runElements(arguments(y), .float32, count: count) }
          cut.withUnsafeMutableBytes { y in
            var arguments = arguments(y)
            for begin in 0..<count { backend.table(.float32).dropout(&arguments, begin, begin + 1, nil) }
          }
        }
        expectSameBits(whole, expected, "rate \(rate), \(backend.instructionSet)")
        expectSameBits(cut, expected, "rate \(rate), element by element, \(backend.instructionSet)")
      }
    }
  }
}
