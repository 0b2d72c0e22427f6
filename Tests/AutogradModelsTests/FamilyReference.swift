import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradNeuralNetwork
import AutogradTestSupport
import Testing

@testable import AutogradModels

/// A small model of a family as transformers made it, with its numbers in float64 (Scripts/fixtures/families.py).
struct FamilyReference {
  let name: String
  let file: SafetensorsFile
  let inputs, targets: [Int32]
  let B, T: Int

  init(_ name: String, _ file: SafetensorsFile) throws {
    (self.name, self.file) = (name, file)
    inputs = try file.int64s("inputs").map { Int32($0) }
    targets = try file.int64s("targets").map { Int32($0) }
    let shape = try #require(file.entry("inputs")).shape
    (B, T) = (shape[0], shape[1])
  }

  /// A file of Tests/Fixtures.
  init(fixture family: String) throws {
    try self.init(family, try AutogradTestSupport.fixture("family-" + family).file)
  }

  /// One that the live peer made.
  init(made family: String, shape: Int) throws {
    let name = "\(family)-\(shape)"
    let bytes = try POSIXFileSystem().read(
      try TransformersPeer.families.get() + "/\(name).safetensors", byteLimit: 1 << 24)
    try self.init(name, try SafetensorsFile(bytes: bytes))
  }

  static let families = ModelFamily.all.map(\.modelType).filter { $0 != "gpt2" }

  /// Writes the model's folder, as transformers would.
  func write(to folder: String) throws {
    let files = POSIXFileSystem(), prefix = "weights/"
    let config = try #require(file.header.metadata("config"))
    try files.writeAtomically(Array(config.utf8), to: folder + "/config.json")
    var writer = SafetensorsWriter()
    for entry in file.header.entries where entry.name.hasPrefix(prefix) {
      try writer.add(String(entry.name.dropFirst(prefix.count)), shape: entry.shape, floats: try file.floats(entry.name))
    }
    try files.writeAtomically(try writer.serialized(), to: folder + "/model.safetensors")
  }

  func model<Scalar: TensorScalar>(_ type: Scalar.Type) throws -> Decoder<Scalar> {
    try temporaryDirectory { folder in
      try write(to: folder)
      return try ModelDirectory(folder).loadModel(as: type)
    }
  }

  func logits<Scalar>(_ model: Decoder<Scalar>, _ tape: Tape<Scalar> = Tape()) -> [Double] {
    tape.step { tape in
      tape.inference { model.logits(tape.tokens(inputs.span, shape: [B, T])).array.map { Double($0) } }
    }
  }

  /// Loss and every gradient of one step.
  func step<Scalar>(_ model: Decoder<Scalar>, _ tape: Tape<Scalar>) -> Double {
    tape.step { tape in
      let loss = model.loss(
        tape.tokens(inputs.span, shape: [B, T]), targets: tape.tokens(targets.span, shape: [B, T]), ignoring: -1)
      loss.backward()
      return Double(loss.value)
    }
  }

  /// Gradients under the names and in the shapes that files have for their tensors.
  func gradients<Scalar>(_ model: Decoder<Scalar>) -> [(name: String, values: [Double])] {
    let configuration = model.configuration
    return model.tensors.flatMap { tensor in
      let all = tensor.parameter.gradient.elements.map { Double($0) }
      return configuration.family.stored(tensor.description, configuration).map { stored in
        let rows = (0..<stored.rowCount).flatMap { row in
          let place = stored.place(ofRow: row)
          return all[place..<place + stored.rowWidth]
        }
        return (stored.name, rows)
      }
    }
  }
}

func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }

func distance(_ a: [Double], _ b: [Double]) -> Double { a.count == b.count ? norm(zip(a, b).map { $0 - $1 }) : .infinity }
