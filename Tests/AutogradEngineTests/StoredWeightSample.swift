import AutogradBase
import AutogradEngine
import AutogradKernels

/// A stored weight and the numbers that it stands for, made without it: blocks by the formulas of ggml.
struct StoredWeightSample {
  let weight: StoredWeight
  let numbers: [Float]
  /// What the blocks hold, one row's behind the other's; nothing where there are none.
  private let blocks: [Block]

  private struct Block {
    let scale: Float
    let least: Float?
    let quants: [Float]
    var numbers: [Float] { quants.map { least == nil ? scale * $0 : scale * $0 + least! } }
  }

  /// - Parameter set: The instruction set that it is packed for.
  init(_ format: WeightFormat, outputs: Int, inputs: Int, seed: UInt64, set: InstructionSet) {
    weight = StoredWeight(format, outputs: outputs, inputs: inputs, instructionSet: set)
    var random = RandomStream(seed: seed, purpose: .evaluation), numbers: [Float] = [], blocks: [Block] = []
    for row in 0..<outputs {
      if format.isQuantized {
        var bytes: [UInt8] = []
        for _ in 0..<inputs / 32 { blocks.append(StoredWeightSample.block(format, &random, &bytes)) }
        weight.write(row: row, blocks: bytes.span)
      } else {
        let values = (0..<inputs).map { _ in Float(random.normal()) }
        numbers += values.map { StoredWeightSample.rounded($0, format) }
        weight.write(row: row, values.span)
      }
    }
    self.numbers = format.isQuantized ? blocks.flatMap(\.numbers) : numbers
    self.blocks = blocks
  }

  /// What a row's block holds: the scale, the least number where there is one, and the quants as they are multiplied.
  func block(_ row: Int, _ block: Int) -> (scale: Float, least: Float?, quants: [Float]) {
    let found = blocks[row * weight.inputs / 32 + block]
    return (found.scale, found.least, found.quants)
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

  /// A block of 32 random quants; its bytes are appended.
  private static func block(_ format: WeightFormat, _ random: inout RandomStream, _ bytes: inout [UInt8]) -> Block {
    func half(_ value: Double, _ bytes: inout [UInt8]) -> Float {
      let half = Float16(value)
      bytes += [UInt8(half.bitPattern & 0xFF), UInt8(half.bitPattern >> 8)]
      return Float(half)
    }
    // Among them scales below zero, and below the normal numbers of half precision.
    let scale = half(random.normal() * (random.uniform() < 0.2 ? 1e-6 : 0.01), &bytes)
    if format == .q8_0 {
      let quants = (0..<32).map { _ in Int8(truncatingIfNeeded: Int(random.uniform() * 256) - 128) }
      bytes += quants.map { UInt8(bitPattern: $0) }
      return Block(scale: scale, least: nil, quants: quants.map { Float($0) })
    }
    let least = format == .q4_1 ? half(random.normal() * 0.05, &bytes) : nil
    let quants = (0..<32).map { _ in Int(random.uniform() * 16) }
    for index in 0..<16 { bytes.append(UInt8(quants[index] | quants[index + 16] << 4)) }
    return Block(scale: scale, least: least, quants: quants.map { Float(format == .q4_1 ? $0 : $0 - 8) })
  }
}
