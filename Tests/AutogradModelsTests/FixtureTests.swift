import AutogradEngine
import AutogradKernels
import AutogradModels
import AutogradFormats
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

/// A tiny GPT against PyTorch in float64, made by Scripts/make_fixtures.py.
@Suite("GPT against PyTorch") struct FixtureTests {
  let file = try! fixture("gpt-tiny").file

  /// The fixture's model: 2 layers, 2 heads, 12 channels, 11 tokens, context 8.
  private func model<Scalar: TensorScalar>(_ type: Scalar.Type) throws -> Decoder<Scalar> {
    let configuration = try DecoderConfiguration(
      vocabularySize: 11, contextLength: 8, layerCount: 2, headCount: 2, channelCount: 12)
    let model = Decoder<Scalar>(configuration)
    for named in model.storedParameters {
      named.parameter.set(try file.doubles("weights/\(named.path)").map { Scalar($0) })
    }
    return model
  }

  private func tokens(_ name: String) throws -> [Int32] { try file.int64s(name).map { Int32($0) } }

  /// Loss and every gradient of one step.
  private func step<Scalar>(_ model: Decoder<Scalar>, _ tape: Tape<Scalar>) throws -> Double {
    let inputs = try tokens("inputs"), targets = try tokens("targets")
    return tape.step { tape in
      let loss = model.loss(
        tape.tokens(inputs.span, shape: [3, 8]), targets: tape.tokens(targets.span, shape: [3, 8]), ignoring: -1)
      loss.backward()
      return Double(loss.value)
    }
  }

  private func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  private func distance<Scalar: TensorScalar>(_ a: [Scalar], _ b: [Double]) -> Double {
    norm(zip(a, b).map { Double($0) - $1 })
  }

  @Test("logits, loss and every gradient in Double are PyTorch's to 1e-9")
  func double() throws {
    let model = try model(Double.self), tape = Tape<Double>(), inputs = try tokens("inputs")
    let logits = tape.step { tape in
      tape.inference { model.logits(tape.tokens(inputs.span, shape: [3, 8])).array }
    }
    let expected = try file.doubles("logits")
    #expect(distance(logits, expected) <= 1e-9 * norm(expected))
    let loss = try step(model, tape), reference = try file.doubles("loss")[0]
    #expect(abs(loss - reference) <= 1e-9 * abs(reference))
    for named in model.storedParameters {
      let expected = try file.doubles("gradients/\(named.path)"), gradient = named.parameter.gradient.elements
      // The key bias's gradient is zero but for rounding: an absolute floor beside the relative bound.
      #expect(distance(gradient, expected) <= 1e-9 * norm(expected) + 1e-14, "\(named.path)")
    }
  }

  @Test("in Float the loss is within 1e-5 and gradients within twice PyTorch float32's own error")
  func float() throws {
    let model = try model(Float.self), loss = try step(model, Tape<Float>()), reference = try file.doubles("loss")[0]
    #expect(abs(loss - reference) <= 1e-5 * abs(reference))
    for named in model.storedParameters {
      let expected = try file.doubles("gradients/\(named.path)")
      let allowed = 2 * (try file.doubles("float32_error/\(named.path)")[0])
      let error = distance(named.parameter.gradient.elements, expected)
      #expect(error <= allowed, "\(named.path): \(error) against \(allowed)")
    }
  }

  private func adamWLosses<Scalar: TensorScalar>(_ model: Decoder<Scalar>) throws -> (losses: [Double], norms: [Double]) {
    let tape = Tape<Scalar>()
    let optimizer = Adam(
      ParameterGroup.decayingMatrices(model.parameters, weightDecay: 0.1), beta1: 0.9, beta2: 0.99)
    var losses: [Double] = [], norms: [Double] = []
    for _ in 0..<20 {
      losses.append(try step(model, tape))
      let norm = optimizer.gradientNorm()
      norms.append(norm)
      optimizer.step(learningRate: 1e-2, gradientScale: GradientClipping.factor(norm: norm, limit: 1))
    }
    return (losses, norms)
  }

  @Test("20 AdamW steps in Double follow PyTorch to 1e-9, gradient norms too")
  func adamWDouble() throws {
    let (losses, norms) = try adamWLosses(try model(Double.self))
    for (loss, expected) in zip(losses, try file.doubles("adamw_losses")) {
      #expect(abs(loss - expected) <= 1e-9 * abs(expected))
    }
    for (norm, expected) in zip(norms, try file.doubles("adamw_norms")) {
      #expect(abs(norm - expected) <= 1e-9 * expected)
    }
  }

  @Test("20 AdamW steps in Float follow PyTorch float64 to 1e-5")
  func adamWFloat() throws {
    for (loss, expected) in zip(try adamWLosses(try model(Float.self)).losses, try file.doubles("adamw_losses")) {
      #expect(abs(loss - expected) <= 1e-5 * abs(expected))
    }
  }
}
