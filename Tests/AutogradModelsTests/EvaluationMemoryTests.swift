import AutogradEngine
import AutogradBase
import AutogradKernels
import AutogradModels
import AutogradTestSupport
import Testing

@Suite("Memory of an evaluation") struct EvaluationMemoryTests {
  @Test("GPT-2 124M at 1 × 1024 peaks at its parameters and at most two layers of activations, 5 % on top")
  func gpt2() async {
    await #expect(processExitsWith: .success) {
      let model = Decoder<Float>(
        try DecoderConfiguration(
          vocabularySize: 50257, contextLength: 1024, layerCount: 12, headCount: 12, channelCount: 768))
      // Written once, so that every page of the parameters is there.
      for named in model.parameters { unsafe named.parameter.values.update(repeating: 0.01) }
      let before = try resident("VmRSS"), tape = Tape<Float>()
      let tokens = (0..<1025).map { Int32($0 * 49) }
      let result = Evaluator(model: model, tape: tape).loss(of: tokens)
      #expect(result?.tokenCount == 1024)
      let parameters = model.parameterCount * 4
      #expect(before >= parameters)
      // A layer: input and result, two norms, qkv, heads, the sum after attention, the wide layer before and after
      // its activation: 1 + 1 + 2 + 3 + 1 + 1 + 4 times T·C numbers.
      let layer = 13 * 1024 * 768 * 4
      let peak = try resident("VmHWM"), allowed = Double(parameters + 2 * layer) * 1.05
      #expect(Double(peak) <= allowed, "\(peak) bytes against \(allowed); arena \(tape.statistics.peak)")
    }
  }
}

/// A line of /proc/self/status, in bytes.
private func resident(_ name: String) throws -> Int {
  let status = String(decoding: try POSIXFileSystem().read("/proc/self/status", byteLimit: 1 << 16), as: UTF8.self)
  let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
  return try #require(Int(line.split(separator: " ").dropLast().last ?? "")) * 1024
}
