import AutogradBase
import AutogradEngine
import AutogradKernels

/// A stored weight and the numbers that it stands for, made without it: blocks by the formulas of ggml.
struct StoredWeightSample {
  let weight: StoredWeight
  let numbers: [Float]
  /// What the blocks hold, one row's behind the other's; nothing where there are none.
  private let allParts: [Part]

  /// Numbers that share a scale: the scale, the least number where there is one, and the quants as they are multiplied.
  struct Part {
    let scale: Float
    var least: Float?
    let quants: [Float]
    var numbers: [Float] { quants.map { least == nil ? scale * $0 : scale * $0 + least! } }
  }

  /// - Parameter set: The instruction set that it is packed for.
  init(_ format: WeightFormat, outputs: Int, inputs: Int, seed: UInt64, set: InstructionSet) {
    weight = StoredWeight(format, outputs: outputs, inputs: inputs, instructionSet: set)
    var random = RandomStream(seed: seed, purpose: .evaluation), numbers: [Float] = [], parts: [Part] = []
    for row in 0..<outputs {
      if format.isQuantized {
        var bytes: [UInt8] = []
        for _ in 0..<inputs / format.blockLength {
          let block = StoredWeightSample.block(format, &random)
          parts += block.parts
          bytes += block.bytes
        }
        weight.write(row: row, blocks: bytes.span)
      } else {
        let values = (0..<inputs).map { _ in Float(random.normal()) }
        numbers += values.map { StoredWeightSample.rounded($0, format) }
        weight.write(row: row, values.span)
      }
    }
    self.numbers = format.isQuantized ? parts.flatMap(\.numbers) : numbers
    allParts = parts
  }

  /// What a row's blocks hold.
  func parts(_ row: Int) -> ArraySlice<Part> {
    let count = allParts.count / weight.outputs
    return allParts[row * count..<(row + 1) * count]
  }

  /// The parameter that holds the weight.
  var parameter: Parameter<Float> {
    let parameter = Parameter<Float>(zeros: weight.shape)
    parameter.store(weight)
    return parameter
  }

  /// A parameter that holds the numbers.
  var plain: Parameter<Float> { Parameter(Tensor(shape: weight.shape, numbers)) }

  private static func rounded(_ x: Float, _ format: WeightFormat) -> Float {
    switch format {
    case .float16: Float(Float16(x))
    case .bfloat16: Float(bitPattern: (x.bitPattern + 0x7FFF + (x.bitPattern >> 16 & 1)) & 0xFFFF_0000)
    default: x
    }
  }

  /// A block of random quants.
  private static func block(_ format: WeightFormat, _ random: inout RandomStream) -> (parts: [Part], bytes: [UInt8]) {
    switch format {
    case .q8_0: blockOfBytes(&random)
    case .q4_K: blockOfQ4K(bits: 4, &random)
    case .q5_K: blockOfQ4K(bits: 5, &random)
    case .q6_K: blockOfQ6K(&random)
    case .q5_0: blockOf32(bits: 5, hasLeast: false, &random)
    case .q5_1: blockOf32(bits: 5, hasLeast: true, &random)
    case .q4_0: blockOf32(bits: 4, hasLeast: false, &random)
    default: blockOf32(bits: 4, hasLeast: true, &random)
    }
  }

  /// A scale, now and then below the normal numbers of half precision, and its bytes.
  private static func half(_ deviation: Double, _ random: inout RandomStream) -> (value: Float, bytes: [UInt8]) {
    let half = Float16(random.normal() * (random.uniform() < 0.2 ? 1e-6 : deviation))
    return (Float(half), [UInt8(half.bitPattern & 0xFF), UInt8(half.bitPattern >> 8)])
  }

  private static func integers(_ count: Int, below limit: Int, _ random: inout RandomStream) -> [Int] {
    (0..<count).map { _ in Int(random.uniform() * Double(limit)) }
  }

  private static func blockOfBytes(_ random: inout RandomStream) -> (parts: [Part], bytes: [UInt8]) {
    let scale = half(0.01, &random), quants = integers(32, below: 256, &random).map { $0 - 128 }
    let part = Part(scale: scale.value, quants: quants.map { Float($0) })
    return ([part], scale.bytes + quants.map { UInt8(truncatingIfNeeded: $0) })
  }

  /// Fifth bits stand before the lower four of all.
  private static func blockOf32(
    bits: Int, hasLeast: Bool, _ random: inout RandomStream
  ) -> (parts: [Part], bytes: [UInt8]) {
    let scale = half(0.01, &random), least = hasLeast ? half(0.05, &random) : nil
    let quants = integers(32, below: 1 << bits, &random), middle = hasLeast ? 0 : 1 << (bits - 1)
    var bytes = scale.bytes + (least?.bytes ?? [])
    for byte in 0..<(bits == 5 ? 4 : 0) {
      bytes.append(UInt8((0..<8).reduce(0) { $0 | (quants[8 * byte + $1] >> 4) << $1 }))
    }
    bytes += (0..<16).map { UInt8(quants[$0] & 15 | (quants[$0 + 16] & 15) << 4) }
    let part = Part(scale: scale.value, least: least?.value, quants: quants.map { Float($0 - middle) })
    return ([part], bytes)
  }

  /// Scales and multiples of the least number have six bits: those of the first four parts whole, the upper two of the
  /// others above them. Fifth bits of the same number of all parts make a byte.
  private static func blockOfQ4K(bits: Int, _ random: inout RandomStream) -> (parts: [Part], bytes: [UInt8]) {
    let d = half(1e-3, &random), least = half(1e-3, &random)
    let scales = integers(8, below: 64, &random), multiples = integers(8, below: 64, &random)
    let quants = (0..<8).map { _ in integers(32, below: 1 << bits, &random) }
    var bytes = d.bytes + least.bytes
    for six in [scales, multiples] { bytes += (0..<4).map { UInt8(six[$0] | (six[$0 + 4] >> 4) << 6) } }
    bytes += (4..<8).map { UInt8(scales[$0] & 15 | (multiples[$0] & 15) << 4) }
    for index in 0..<(bits == 5 ? 32 : 0) {
      bytes.append(UInt8((0..<8).reduce(0) { $0 | (quants[$1][index] >> 4) << $1 }))
    }
    for pair in 0..<4 {
      bytes += (0..<32).map { UInt8(quants[2 * pair][$0] & 15 | (quants[2 * pair + 1][$0] & 15) << 4) }
    }
    let parts = (0..<8).map { index in
      Part(
        scale: d.value * Float(scales[index]), least: -(least.value * Float(multiples[index])),
        quants: quants[index].map { Float($0) })
    }
    return (parts, bytes)
  }

  /// Of each 128 numbers the lower four bits of the first 64 lie beside those of the others, and the upper two of each
  /// 32 beside each other.
  private static func blockOfQ6K(_ random: inout RandomStream) -> (parts: [Part], bytes: [UInt8]) {
    let d = half(1e-4, &random), scales = integers(16, below: 256, &random).map { $0 - 128 }
    let quants = integers(256, below: 64, &random), halves = [quants[..<128], quants[128...]].map { Array($0) }
    var bytes = halves.flatMap { half in (0..<64).map { UInt8(half[$0] & 15 | (half[$0 + 64] & 15) << 4) } }
    bytes += halves.flatMap { half in
      (0..<32).map { index in UInt8((0..<4).reduce(0) { $0 | (half[32 * $1 + index] >> 4) << (2 * $1) }) }
    }
    bytes += scales.map { UInt8(truncatingIfNeeded: $0) } + d.bytes
    let parts = (0..<16).map { part in
      Part(
        scale: d.value * Float(scales[part]),
        quants: quants[16 * part..<16 * (part + 1)].map { Float($0 - 32) })
    }
    return (parts, bytes)
  }
}
