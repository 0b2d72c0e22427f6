import AutogradEngine
import AutogradBase
import CAutogradV2
import AutogradFormats

// Models and checkpoints as safetensors. Tensors have the names of C's members; a checkpoint adds
// `adam.first.<name>` and `adam.second.<name>`, and numbers as metadata.

/// A parameter and what it is called in a file.
struct NamedVariable {
  let name: String
  let variable: V
}

extension Context {
  /// Every parameter in the order of `transformer_get_params`, with its name. Biases that are NULL are left out.
  func named(_ model: ModelPointer) throws(Misuse) -> [NamedVariable] {
    try checkParts(model)
    var list: [NamedVariable] = []
    func add(_ name: String, _ variable: V?) throws(Misuse) {
      guard let variable else { throw absent(name) }
      list.append(NamedVariable(name: name, variable: variable))
    }
    func add(_ name: String, _ norm: NormPointer?) throws(Misuse) {
      try add(name + ".gamma", norm?.pointee.gamma)
      try add(name + ".beta", norm?.pointee.beta)
    }
    func add(_ linear: NamedLinear) throws(Misuse) {
      try add(linear.name + ".weight", linear.layer?.pointee.weight)
      if let bias = linear.layer?.pointee.bias { try add(linear.name + ".bias", bias) }
    }
    try add("token_embed", model.pointee.token_embed)
    try add("pos_embed", model.pointee.pos_embed)
    for index in 0..<Int(model.pointee.n_layers) {
      try add("blocks.\(index).ln1", model.pointee.blocks[index]?.pointee.ln1)
      try add("blocks.\(index).ln2", model.pointee.blocks[index]?.pointee.ln2)
      for linear in linears(model, ofBlock: index) { try add(linear) }
    }
    try add("ln_final", model.pointee.ln_final)
    try add(NamedLinear(name: "lm_head", layer: model.pointee.lm_head))
    return list
  }

  /// A linear layer and what it is called in a file.
  struct NamedLinear {
    let name: String
    let layer: UnsafeMutablePointer<Linear>?
  }

  private func linears(_ model: ModelPointer, ofBlock index: Int) -> [NamedLinear] {
    let block = model.pointee.blocks[index]?.pointee, attention = block?.attn?.pointee, wide = block?.ff?.pointee
    let parts = [
      ("attn.q_proj", attention?.q_proj), ("attn.k_proj", attention?.k_proj), ("attn.v_proj", attention?.v_proj),
      ("attn.out_proj", attention?.out_proj), ("ff.fc1", wide?.fc1), ("ff.fc2", wide?.fc2),
    ]
    return parts.map { NamedLinear(name: "blocks.\(index).\($0)", layer: $1) }
  }

  /// Every linear layer of a model whose parts are all there.
  private func linears(_ model: ModelPointer) -> [NamedLinear] {
    (0..<Int(model.pointee.n_layers)).flatMap { linears(model, ofBlock: $0) }
      + [NamedLinear(name: "lm_head", layer: model.pointee.lm_head)]
  }

  /// What a file's metadata calls the biases that its model does without.
  static let withoutBias = "without_bias"

  /// Frees the biases that a file says its model does without.
  func removeBiases(_ model: ModelPointer, _ file: SafetensorsFile) throws(Misuse) {
    guard let list = file.header.metadata(Context.withoutBias) else { return }
    let layers = linears(model)
    for name in list.split(separator: ",") {
      guard let layer = layers.first(where: { $0.name == name })?.layer else {
        throw Misuse("", "the file speaks of a layer \(name) without a bias, which its model does not have")
      }
      release(layer.pointee.bias)
      layer.pointee.bias = nil
    }
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
    let parameters = try named(model)
    var writer = SafetensorsWriter()
    try saving { () throws(SafetensorsError) in
      for (name, size) in zip(Context.sizeNames, sizes(model)) { try writer.setMetadata(name, "\(size)") }
      let bare = linears(model).filter { $0.layer != nil && $0.layer?.pointee.bias == nil }.map(\.name)
      if !bare.isEmpty { try writer.setMetadata(Context.withoutBias, bare.joined(separator: ",")) }
    }
    for named in parameters { try add(named.name, try tensor(named), to: &writer) }
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
    guard let path else { throw absent("the path") }
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
    let parameters = try named(model)
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
    guard let model else { throw absent("the model") }
    let writer = try context.writer(model)
    let bytes = try context.saving { () throws(SafetensorsError) in try writer.serialized() }
    try context.write(bytes, to: path)
    return 0
  }
}

@c @implementation func autograd_v2_impl_transformer_load(_ model: ModelPointer!, _ path: Bytes!) -> Int32 {
  call("transformer_load", -1) { context throws(Misuse) in
    guard let model else { throw absent("the model") }
    try context.load(model, from: try context.open(path))
    return 0
  }
}
