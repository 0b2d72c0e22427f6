import AutogradEngine
import AutogradBase
import CAutogradV2
import AutogradFormats

// Models and checkpoints as safetensors. Tensors have the names of C's members; a checkpoint adds
// `adam.first.<name>` and `adam.second.<name>`, and numbers as metadata.

/// A parameter and what it is called in a file.
struct NamedVariable {
  let name: String
  let variable: V?
}

extension Context {
  /// Every parameter in the order of `transformer_get_params`, with its name.
  func named(_ model: ModelPointer) -> [NamedVariable] {
    var names = ["token_embed", "pos_embed"]
    for index in 0..<Int(model.pointee.n_layers) {
      for part in ["ln1.gamma", "ln1.beta", "ln2.gamma", "ln2.beta"] { names.append("blocks.\(index).\(part)") }
      for part in ["attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj", "ff.fc1", "ff.fc2"] {
        names += ["blocks.\(index).\(part).weight", "blocks.\(index).\(part).bias"]
      }
    }
    names += ["ln_final.gamma", "ln_final.beta", "lm_head.weight", "lm_head.bias"]
    var variables: [V?] = []
    visit(model) { variables.append($0) }
    return zip(names, variables).map { NamedVariable(name: $0, variable: $1) }
  }

  /// The sizes that `transformer_create` takes, as a file's metadata has them.
  static let sizeNames = ["vocab_size", "d_model", "n_heads", "n_layers", "d_ff", "max_seq_len"]

  func sizes(_ model: ModelPointer) -> [Int32] {
    [
      model.pointee.vocab_size, model.pointee.d_model, model.pointee.n_heads, model.pointee.n_layers,
      model.pointee.d_ff, model.pointee.max_seq_len,
    ]
  }

  func writer(_ model: ModelPointer) throws(Misuse) -> SafetensorsWriter {
    var writer = SafetensorsWriter()
    try saving { () throws(SafetensorsError) in
      for (name, size) in zip(Context.sizeNames, sizes(model)) { try writer.setMetadata(name, "\(size)") }
    }
    for named in named(model) { try add(named.name, try tensor(named), to: &writer) }
    return writer
  }

  private func tensor(_ named: NamedVariable) throws(Misuse) -> T {
    try check(try check(named.variable, named.name).pointee.data, "a parameter's tensor")
  }

  private func add(_ name: String, _ tensor: T, to writer: inout SafetensorsWriter) throws(Misuse) {
    try add(name, tensor.pointee.data, try shape(of: tensor), to: &writer)
  }

  func add(_ name: String, _ data: UnsafePointer<Double>, _ shape: Shape, to writer: inout SafetensorsWriter)
    throws(Misuse)
  {
    let doubles = [Double](UnsafeBufferPointer(start: data, count: shape.count))
    try saving { () throws(SafetensorsError) in try writer.add(name, shape: shape.array, doubles: doubles) }
  }

  func saving<Result>(_ body: () throws(SafetensorsError) -> Result) throws(Misuse) -> Result {
    do throws(SafetensorsError) {
      return try body()
    } catch {
      throw Misuse("", "\(error)")
    }
  }

  func open(_ path: Bytes?) throws(Misuse) -> SafetensorsFile {
    guard let path else { throw Misuse("", "the path is NULL") }
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try POSIXFileSystem().read(String(cString: path), byteLimit: 1 << 40)
    } catch {
      throw Misuse("", "\(error)")
    }
    do throws(SafetensorsError) {
      return try SafetensorsFile(bytes: bytes)
    } catch {
      throw Misuse("", "\(String(cString: path)): \(error)")
    }
  }

  /// Reads all weights, or changes nothing and names everything that does not fit.
  func load(_ model: ModelPointer, from file: SafetensorsFile) throws(Misuse) {
    var problems: [String] = []
    let parameters = named(model)
    for named in parameters {
      let expected = try shape(of: try tensor(named)).array
      guard let entry = file.entry(named.name) else {
        problems.append("\(named.name) is missing")
        continue
      }
      if entry.shape != expected { problems.append("\(named.name) has shape \(entry.shape), expected \(expected)") }
    }
    let known = Set(parameters.map(\.name))
    for name in file.names where !known.contains(name) && !name.hasPrefix("adam.") {
      problems.append("\(name) is unexpected")
    }
    guard problems.isEmpty else {
      throw Misuse("", problems.joined(separator: ", "), hint: "make the model with the sizes of the file")
    }
    var values: [[Double]] = []
    for named in parameters { values.append(try finite(named.name, file)) }
    for (named, numbers) in zip(parameters, values) {
      let tensor = try tensor(named)
      for (index, number) in numbers.enumerated() { tensor.pointee.data[index] = number }
    }
  }

  /// A tensor's numbers; refuses those that are not finite.
  func finite(_ name: String, _ file: SafetensorsFile) throws(Misuse) -> [Double] {
    let numbers = try saving { () throws(SafetensorsError) in try file.doubles(name) }
    guard numbers.allSatisfy(\.isFinite) else {
      throw Misuse("", "\(name) has numbers that are not finite", hint: "take an earlier file")
    }
    return numbers
  }
}

@c @implementation func autograd_v2_impl_transformer_save(_ model: ModelPointer!, _ path: Bytes!) -> Int32 {
  call("transformer_save", -1) { context throws(Misuse) in
    guard let model else { throw context.missing("the model") }
    let writer = try context.writer(model)
    let bytes = try context.saving { () throws(SafetensorsError) in try writer.serialized() }
    try context.write(bytes, to: path)
    return 0
  }
}

@c @implementation func autograd_v2_impl_transformer_load(_ model: ModelPointer!, _ path: Bytes!) -> Int32 {
  call("transformer_load", -1) { context throws(Misuse) in
    guard let model else { throw context.missing("the model") }
    try context.load(model, from: try context.open(path))
    return 0
  }
}
