import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradKernels
import AutogradNeuralNetwork
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradModels

/// Every family against transformers in float64.
private func expectSameNumbers(_ reference: FamilyReference, recomputing: Bool = false) throws {
  let file = reference.file, name = reference.name
  var double = try reference.model(Double.self), single = try reference.model(Float.self)
  (double.recomputesBlocks, single.recomputesBlocks) = (recomputing, recomputing)
  // Logits.
  let logits = try file.doubles("logits")
  #expect(distance(reference.logits(double), logits) <= 1e-9 * norm(logits), "\(name): logits")
  // Of a few numbers PyTorch may have been lucky with all.
  let theirError = try file.doubles("float32_error/logits")[0], error = distance(reference.logits(single), logits)
  #expect(
    error <= max(2 * theirError, 3e-7 * norm(logits)), "\(name): logits are off by \(error), PyTorch's by \(theirError)")
  // Loss and gradients.
  let expected = try file.doubles("loss")[0], tape = Tape<Double>(), singleTape = Tape<Float>()
  #expect(abs(reference.step(double, tape) - expected) <= 1e-9 * expected, "\(name): loss")
  #expect(abs(reference.step(single, singleTape) - expected) <= 1e-5 * expected, "\(name): loss in float32")
  let gradients = reference.gradients(double), singleGradients = reference.gradients(single)
  #expect(gradients.count == file.names.count { $0.hasPrefix("gradients/") })
  var errors: [Double] = [], theirs: [Double] = []
  for ((tensor, own), (_, ownSingle)) in zip(gradients, singleGradients) {
    let wanted = try file.doubles("gradients/" + tensor)
    #expect(distance(own, wanted) <= 1e-9 * norm(wanted) + 1e-14, "\(name): gradient of \(tensor)")
    errors.append(distance(ownSingle, wanted))
    theirs.append(try file.doubles("float32_error/" + tensor)[0])
    // Of a dozen numbers PyTorch may have been lucky with all: here only what is no rounding is found.
    let allowed = max(4 * theirs.last!, 1e-6 * norm(wanted) + 1e-12)
    #expect(errors.last! <= allowed, "\(name): \(tensor): \(errors.last!) against \(allowed)")
  }
  #expect(
    norm(errors) <= 2 * norm(theirs), "\(name): all gradients are off by \(norm(errors)), PyTorch's by \(norm(theirs))")
}

private func expectSameTraining(_ reference: FamilyReference) throws {
  let model = try reference.model(Double.self), tape = Tape<Double>(), file = reference.file
  let optimizer = Adam(
    ParameterGroup.decayingMatrices(model.parameters, weightDecay: 0.1), beta1: 0.9, beta2: 0.99)
  let losses = try file.doubles("adamw_losses"), norms = try file.doubles("adamw_norms")
  #expect(losses.count == 20 && norms.count == 20)
  for (step, (expected, expectedNorm)) in zip(losses, norms).enumerated() {
    let loss = reference.step(model, tape), norm = optimizer.gradientNorm()
    #expect(abs(loss - expected) <= 1e-9 * max(1, expected), "\(reference.name), step \(step): \(loss), \(expected)")
    #expect(abs(norm - expectedNorm) <= 1e-9 * max(1, expectedNorm), "\(reference.name), step \(step): norm \(norm)")
    optimizer.step(learningRate: 1e-2, gradientScale: GradientClipping.factor(norm: norm, limit: 1))
  }
}

@Suite("Families against transformers' numbers") struct FamilyReferenceTests {
  @Test(
    "logits, loss and gradients: Double to 1e-9, Float all together within twice PyTorch's own error",
    arguments: FamilyReference.families, [false, true])
  func numbers(family: String, recomputing: Bool) throws {
    try expectSameNumbers(try FamilyReference(fixture: family), recomputing: recomputing)
  }

  @Test("20 AdamW steps in Double follow PyTorch to 1e-9", arguments: FamilyReference.families)
  func training(family: String) throws { try expectSameTraining(try FamilyReference(fixture: family)) }

  @Test("what is written is read again: configuration, every number, in float32 exactly, in bfloat16 rounded once")
  func roundTrip() throws {
    let tokenizer = try CharacterTokenizer(training: Array("abcdefg".utf8))
    for family in FamilyReference.families {
      let model = try FamilyReference(fixture: family).model(Float.self)
      try temporaryDirectory { folder in
        for type in WeightType.allCases {
          try ModelDirectory(folder).save(model, tokenizer: tokenizer, weights: type)
          let (loaded, _) = try ModelDirectory(folder).load()
          #expect(loaded.configuration == model.configuration, "\(family)")
          for (a, b) in zip(loaded.parameters, model.parameters) {
            let wanted = b.parameter.array.map { rounded($0, type) }
            #expect(a.parameter.array == wanted, "\(family) \(a.path)")
          }
          let config = String(decoding: try POSIXFileSystem().read(folder + "/config.json", byteLimit: 1 << 20), as: UTF8.self)
          #expect(config.contains("\"torch_dtype\": \"\(type.name)\""))
        }
      }
    }
  }

  private func rounded(_ x: Float, _ type: WeightType) -> Float {
    switch type {
    case .float32: x
    case .bfloat16: roundedToBFloat16(x)
    case .float16: Float(Float16(x))
    }
  }

  private func roundedToBFloat16(_ x: Float) -> Float {
    let bits = x.bitPattern, low = bits & 0xFFFF, high = bits & 0xFFFF_0000
    let isUp = low > 0x8000 || low == 0x8000 && high & 0x1_0000 != 0
    return Float(bitPattern: high &+ (isUp ? 0x1_0000 : 0))
  }
}

@Suite(
  "Families against transformers itself",
  .enabled(if: TransformersPeer.python != nil, "set AUTOGRAD_PYTHON to a Python with transformers"))
struct LiveFamilyTests {
  @Test(
    "three shapes of every family: logits, loss, gradients, 20 AdamW steps", arguments: FamilyReference.families, 0..<3)
  func numbers(family: String, shape: Int) throws {
    let reference = try FamilyReference(made: family, shape: shape)
    try expectSameNumbers(reference)
    try expectSameTraining(reference)
  }

  @Test("folders written here load there with the same logits, in float32 and bfloat16")
  func saved() throws {
    let tokenizer = try CharacterTokenizer(training: Array("abcdefg".utf8))
    try temporaryDirectory { folder in
      var asked: [JSON] = [], wanted: [(name: String, logits: [Double])] = []
      for family in FamilyReference.families {
        for shape in 0..<3 {
          let reference = try FamilyReference(made: family, shape: shape), model = try reference.model(Float.self)
          for type in WeightType.allCases {
            let path = folder + "/\(reference.name)-\(type.rawValue)", directory = ModelDirectory(path)
            try directory.save(model, tokenizer: tokenizer, weights: type)
            let ids = Array(reference.inputs.prefix(reference.T)), tape = Tape<Double>()
            let loaded = try directory.loadModel(as: Double.self)
            let logits = tape.step { tape in
              tape.inference { loaded.logits(tape.tokens(ids.span, shape: [1, ids.count])).array }
            }
            asked.append(.array([.string(path), .array(ids.map { .integer(Int64($0)) })]))
            wanted.append((path, logits))
          }
        }
      }
      let answers = try #require(try TransformersPeer.ask(["opened"], .array(asked)).arrayValue)
      #expect(answers.count == wanted.count)
      for (answer, (name, logits)) in zip(answers, wanted) {
        let theirs = try #require(answer.arrayValue).compactMap(\.doubleValue)
        #expect(distance(theirs, logits) <= 1e-9 * norm(logits), "\(name)")
      }
    }
  }

  @Test("a folder in shards, as transformers saves it, is the same model", arguments: FamilyReference.families)
  func shards(family: String) throws {
    let reference = try FamilyReference(made: family, shape: 2)
    try temporaryDirectory { folder in
      let source = try TransformersPeer.families.get() + "/\(reference.name).safetensors"
      let answer = try TransformersPeer.ask(["sharded", folder, "12000", source])
      #expect(try #require(answer["files"]?.arrayValue).contains(.string("model.safetensors.index.json")))
      let loaded = try ModelDirectory(folder).loadModel(), model = try reference.model(Float.self)
      for (a, b) in zip(loaded.parameters, model.parameters) { #expect(a.parameter.array == b.parameter.array) }
    }
  }
}
