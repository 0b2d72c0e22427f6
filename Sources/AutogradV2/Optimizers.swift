import AutogradEngine
import CAutogradV2
import CAutogradKernels
import AutogradNeuralNetwork

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

typealias AdamPointer = UnsafeMutablePointer<AdamOptimizerV2>

/// The moments of an Adam, behind `private_moments`.
final class AdamMoments {
  struct Pair: BitwiseCopyable {
    let first, second: Unmanaged<PersistentBlock>
    let count: Int
  }

  var pairs = GrowingTable<Pair>(capacity: 64)
  var pieces = GrowingTable<ck_piece>(capacity: 256)

  deinit {
    for index in 0..<pairs.count {
      pairs[index].first.release()
      pairs[index].second.release()
    }
  }

  /// Moments of zero for one more parameter; false where the system has no memory.
  func add(count: Int) -> Bool {
    guard pairs.reserve(spare: 1), let first = PersistentBlock(tryingByteCount: count * 8),
      let second = PersistentBlock(tryingByteCount: count * 8)
    else { return false }
    pairs.append(Pair(first: Unmanaged.passRetained(first), second: Unmanaged.passRetained(second), count: count))
    return true
  }
}

extension Context {
  func moments(_ optimizer: AdamPointer) throws(Misuse) -> AdamMoments {
    guard let moments = optimizer.pointee.private_moments else {
      throw Misuse("", "this optimiser was not made by adam_create")
    }
    return Unmanaged<AdamMoments>.fromOpaque(moments).takeUnretainedValue()
  }

  func makeAdam(_ learningRate: Double) throws(Misuse) -> AdamPointer {
    let optimizer = try make(AdamOptimizerV2.self)
    optimizer.pointee.learning_rate = learningRate
    optimizer.pointee.beta1 = 0.9
    optimizer.pointee.beta2 = 0.999
    optimizer.pointee.epsilon = 1e-8
    optimizer.pointee.private_moments = Unmanaged.passRetained(AdamMoments()).toOpaque()
    return optimizer
  }

  func freeAdam(_ optimizer: AdamPointer?) {
    guard let optimizer else { return }
    if let moments = optimizer.pointee.private_moments { Unmanaged<AdamMoments>.fromOpaque(moments).release() }
    free(optimizer.pointee.params)
    free(optimizer)
  }

  func addParameter(_ variable: V?, to optimizer: AdamPointer) throws(Misuse) {
    let variable = try check(variable, "the parameter"), moments = try moments(optimizer)
    guard variable.pointee.private_kind == HeaderKind.persistentVariable else {
      throw Misuse("", "the parameter is temporary", hint: "make it with var_create_parameter")
    }
    let count = Int(optimizer.pointee.n_params)
    for index in 0..<count where optimizer.pointee.params[index] == variable {
      throw Misuse("", "the parameter was added before, as number \(index)", hint: "add each parameter once")
    }
    if count == Int(optimizer.pointee.private_capacity) {
      let capacity = max(16, 2 * count)
      guard let larger = realloc(optimizer.pointee.params, capacity * MemoryLayout<V?>.stride) else {
        throw core.outOfMemory("adam")
      }
      optimizer.pointee.params = larger.bindMemory(to: V?.self, capacity: capacity)
      optimizer.pointee.private_capacity = Int32(capacity)
    }
    guard moments.add(count: Int(variable.pointee.data.pointee.size)) else { throw core.outOfMemory("adam") }
    optimizer.pointee.params[count] = variable
    optimizer.pointee.n_params += 1
  }

  /// A parameter's values and gradient as they stand; nil where it is frozen.
  fileprivate func update(_ variable: V?, _ number: Int) throws(Misuse) -> (value: T, gradient: T)? {
    let variable = try check(variable, "parameter \(number)")
    guard variable.pointee.requires_grad else { return nil }
    let value = try check(variable.pointee.data, "the parameter's tensor")
    let gradient = try check(variable.pointee.grad, "the parameter's gradient")
    guard value.pointee.size == gradient.pointee.size, let _ = value.pointee.data, let _ = gradient.pointee.data else {
      throw Misuse("", "parameter \(number) has \(value.pointee.size) elements, its gradient \(gradient.pointee.size)")
    }
    return (value, gradient)
  }

  fileprivate func requireGradients() throws(Misuse) {
    guard !hasFailedBackward else {
      throw Misuse(
        "", "the gradients are incomplete: the last backward failed",
        hint: "mend its cause, call autograd_reset_iteration(), and compute them again")
    }
  }

  fileprivate func step(_ optimizer: AdamPointer) throws(Misuse) {
    try requireGradients()
    let moments = try moments(optimizer), count = Int(optimizer.pointee.n_params)
    guard moments.pairs.count == count else {
      throw Misuse(
        "", "n_params is \(count), but \(moments.pairs.count) parameters were added", hint: "use adam_add_param")
    }
    moments.pieces.removeLast(downTo: 0)
    for index in 0..<count {
      guard let (value, gradient) = try update(optimizer.pointee.params[index], index) else { continue }
      let pair = moments.pairs[index], size = Int(value.pointee.size)
      guard pair.count == size else {
        throw Misuse("", "parameter \(index) has \(size) elements, it had \(pair.count) when it was added")
      }
      guard moments.pieces.reserve(spare: size / 16384 + 1) else { throw core.outOfMemory("adam") }
      let whole = ck_piece(
        value: value.pointee.data!, gradient: gradient.pointee.data!,
        states: [pair.first.takeUnretainedValue().start, pair.second.takeUnretainedValue().start, nil, nil],
        count: size)
      whole.cut(elementSize: 8) { moments.pieces.append($0) }
    }
    optimizer.pointee.step_count += 1
    guard moments.pieces.count > 0 else { return }
    let rule = AdamRule<Double>(
      beta1: optimizer.pointee.beta1, beta2: optimizer.pointee.beta2, epsilon: optimizer.pointee.epsilon)
    var arguments = rule.arguments(
      step: Int(optimizer.pointee.step_count), learningRate: optimizer.pointee.learning_rate,
      core.backend.update(rule.kernel, .float64))
    arguments.pieces = UnsafePointer(moments.pieces.start)
    core.backend.runPieces(arguments, .float64, count: moments.pieces.count)
  }
}

@c @implementation func autograd_v2_impl_adam_create(_ learning_rate: Double) -> AdamPointer! {
  call("adam_create", nil) { context throws(Misuse) in try context.makeAdam(learning_rate) }
}

@c @implementation func autograd_v2_impl_adam_add_param(_ optimizer: AdamPointer!, _ parameter: V!) -> Int32 {
  call("adam_add_param", -1) { context throws(Misuse) in
    guard let optimizer else { throw context.missing("the optimiser") }
    try context.addParameter(parameter, to: optimizer)
    return 0
  }
}

@c @implementation func autograd_v2_impl_adam_step(_ optimizer: AdamPointer!) -> Int32 {
  call("adam_step", -1) { context throws(Misuse) in
    guard let optimizer else { throw context.missing("the optimiser") }
    try context.step(optimizer)
    return 0
  }
}

@c @implementation func autograd_v2_impl_adam_free(_ optimizer: AdamPointer!) {
  call("adam_free", ()) { context in context.freeAdam(optimizer) }
}

// MARK: Plain gradient descent

@c @implementation func autograd_v2_impl_optimizer_create(
  _ parameters: UnsafeMutablePointer<V?>!, _ num_params: Int32, _ lr: Double
) -> UnsafeMutablePointer<OptimizerV2>! {
  call("optimizer_create", nil) { context throws(Misuse) in
    guard num_params >= 0, num_params == 0 || parameters != nil else {
      throw Misuse("", "\(num_params) parameters in a list that is NULL")
    }
    for index in 0..<Int(num_params) { _ = try context.check(parameters[index], "parameter \(index)") }
    let optimizer = try context.make(OptimizerV2.self)
    guard let list = malloc(max(1, Int(num_params)) * MemoryLayout<V?>.stride) else {
      free(optimizer)
      throw context.core.outOfMemory("optimizer")
    }
    optimizer.pointee.parameters = list.bindMemory(to: V?.self, capacity: max(1, Int(num_params)))
    for index in 0..<Int(num_params) { optimizer.pointee.parameters[index] = parameters[index] }
    optimizer.pointee.num_params = num_params
    optimizer.pointee.lr = lr
    return optimizer
  }
}

@c @implementation func autograd_v2_impl_optimizer_zero_grad(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) {
  guard let optimizer else { return }
  for index in 0..<Int(optimizer.pointee.num_params) {
    autograd_v2_impl_var_zero_grad(optimizer.pointee.parameters[index])
  }
}

@c @implementation func autograd_v2_impl_optimizer_step(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) -> Int32 {
  call("optimizer_step", -1) { context throws(Misuse) in
    guard let optimizer else { throw context.missing("the optimiser") }
    try context.requireGradients()
    for index in 0..<Int(optimizer.pointee.num_params) {
      guard let (value, gradient) = try context.update(optimizer.pointee.parameters[index], index) else { continue }
      context.core.copy(
        gradient.pointee.data, to: value.pointee.data, count: Int(value.pointee.size), scale: -optimizer.pointee.lr,
        accumulate: true)
    }
    return 0
  }
}

@c @implementation func autograd_v2_impl_optimizer_destroy(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) {
  guard let optimizer else { return }
  free(optimizer.pointee.parameters)
  free(optimizer)
}
