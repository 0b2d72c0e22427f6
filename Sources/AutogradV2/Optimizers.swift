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
    /// The variable that they are moments of: see `Context.serial(of:)`.
    let serial: UInt64
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
  func add(count: Int, serial: UInt64) -> Bool {
    guard pairs.reserve(spare: 1), let first = PersistentBlock(tryingByteCount: count * 8),
      let second = PersistentBlock(tryingByteCount: count * 8)
    else { return false }
    pairs.append(Pair(first: Unmanaged.passRetained(first), second: Unmanaged.passRetained(second), count: count,
        serial: serial))
    return true
  }
}

extension Context {
  func moments(_ optimizer: AdamPointer) throws(Misuse) -> AdamMoments {
    guard let moments = optimizer.pointee.private_moments else {
      if Cells.state(optimizer) == .freed { throw Misuse("", "the optimiser was freed before") }
      throw Misuse("", "this optimiser was not made by adam_create")
    }
    return Unmanaged<AdamMoments>.fromOpaque(moments).takeUnretainedValue()
  }

  /// Throws for a learning rate that would spoil the weights.
  fileprivate func checkRate(_ rate: Double) throws(Misuse) {
    guard rate >= 0, rate.isFinite else {
      throw Misuse("", "a learning rate of \(rate)", hint: "give 0 or more, and finite")
    }
  }

  /// Throws for settings that would spoil the weights. They are members, which programs change between steps.
  func checkSettings(_ optimizer: AdamPointer) throws(Misuse) {
    try checkRate(optimizer.pointee.learning_rate)
    for (name, beta) in [("beta1", optimizer.pointee.beta1), ("beta2", optimizer.pointee.beta2)]
    where !(beta >= 0 && beta < 1) {
      throw Misuse("", "\(name) is \(beta)", hint: "give 0 or more, and less than 1")
    }
    guard optimizer.pointee.epsilon >= 0, optimizer.pointee.epsilon.isFinite else {
      throw Misuse("", "epsilon is \(optimizer.pointee.epsilon)", hint: "give 0 or more, and finite")
    }
    guard optimizer.pointee.step_count >= 0, optimizer.pointee.step_count < Int32.max else {
      throw Misuse("", "step_count is \(optimizer.pointee.step_count)", hint: "give 0 to \(Int32.max - 1)")
    }
  }

  func makeAdam(_ learningRate: Double) throws(Misuse) -> AdamPointer {
    try checkRate(learningRate)
    let optimizer = try make(AdamOptimizerV2.self, .adam)
    optimizer.pointee.learning_rate = learningRate
    optimizer.pointee.beta1 = 0.9
    optimizer.pointee.beta2 = 0.999
    optimizer.pointee.epsilon = 1e-8
    optimizer.pointee.private_moments = Unmanaged.passRetained(AdamMoments()).toOpaque()
    return optimizer
  }

  func freeAdam(_ optimizer: AdamPointer?) { freePart(optimizer, .adam, freeParts) }

  func freeParts(_ optimizer: AdamPointer) {
    if let moments = optimizer.pointee.private_moments { Unmanaged<AdamMoments>.fromOpaque(moments).release() }
    free(optimizer.pointee.params)
  }

  /// Adds a parameter; one that is there already stays there once.
  func addParameter(_ variable: V?, to optimizer: AdamPointer) throws(Misuse) {
    let moments = try moments(optimizer), variable = try checkPersistent(variable, "the parameter")
    let count = Int(optimizer.pointee.n_params)
    guard count == moments.pairs.count else { throw Context.foreignCount(count, moments.pairs.count) }
    for index in 0..<count where optimizer.pointee.params[index] == variable {
      try requireSame(variable, index, moments.pairs[index].serial)
      return
    }
    if count == Int(optimizer.pointee.private_capacity) {
      let capacity = max(16, 2 * count)
      guard let larger = realloc(optimizer.pointee.params, capacity * MemoryLayout<V?>.stride) else {
        throw core.outOfMemory("adam")
      }
      optimizer.pointee.params = larger.bindMemory(to: V?.self, capacity: capacity)
      optimizer.pointee.private_capacity = Int32(capacity)
    }
    let tensor = try check(variable.pointee.data, "the parameter's tensor")
    if let parameter = core(of: variable) { try lookAfter(parameter) }
    guard moments.add(count: Int(tensor.pointee.size), serial: Context.serial(of: variable)) else {
      throw core.outOfMemory("adam")
    }
    optimizer.pointee.params[count] = variable
    optimizer.pointee.n_params += 1
  }

  private static func foreignCount(_ count: Int, _ added: Int) -> Misuse {
    Misuse("", "n_params is \(count), but \(added) parameters were added", hint: "use adam_add_param")
  }

  /// Throws where a variable was freed and another one has its address.
  fileprivate func requireSame(_ variable: V?, _ index: Int, _ serial: UInt64) throws(Misuse) {
    guard let variable, Context.serial(of: variable) != serial else { return }
    throw Misuse(
      "", "parameter \(index) was freed before, and another variable has its place", hint: "make a new optimiser")
  }

  /// A variable that outlives the iteration, as those must that an optimiser steps.
  fileprivate func checkPersistent(_ variable: V?, _ what: @autoclosure () -> String) throws(Misuse) -> V {
    let variable = try check(variable, what())
    guard variable.pointee.private_kind == HeaderKind.persistentVariable else {
      throw Misuse("", "\(what()) is temporary", hint: "make it with var_create_parameter")
    }
    return variable
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
    try requireIdle("step when it has returned")
    guard !hasFailedBackward else {
      throw Misuse(
        "", "the gradients are incomplete: the last backward failed",
        hint: "mend its cause, call autograd_reset_iteration(), and compute them again")
    }
  }

  fileprivate func step(_ optimizer: AdamPointer) throws(Misuse) {
    try requireGradients()
    let moments = try moments(optimizer), count = Int(optimizer.pointee.n_params)
    guard moments.pairs.count == count else { throw Context.foreignCount(count, moments.pairs.count) }
    try checkSettings(optimizer)
    moments.pieces.removeLast(downTo: 0)
    for index in 0..<count {
      guard let (value, gradient) = try update(optimizer.pointee.params[index], index) else { continue }
      let pair = moments.pairs[index], size = Int(value.pointee.size)
      try requireSame(optimizer.pointee.params[index], index, pair.serial)
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
    guard let optimizer else { throw absent("the optimiser") }
    try context.addParameter(parameter, to: optimizer)
    return 0
  }
}

@c @implementation func autograd_v2_impl_adam_step(_ optimizer: AdamPointer!) -> Int32 {
  call("adam_step", -1) { context throws(Misuse) in
    guard let optimizer else { throw absent("the optimiser") }
    try context.step(optimizer)
    return 0
  }
}

@c @implementation func autograd_v2_impl_adam_free(_ optimizer: AdamPointer!) {
  call("adam_free", ()) { context throws(Misuse) in try context.freeStruct(optimizer, .adam, context.freeParts) }
}

// MARK: Plain gradient descent

/// What stands behind C's `OptimizerV2`, which it begins with.
struct OptimizerCell {
  /// A variable that the optimiser was made with.
  struct Given: BitwiseCopyable {
    let variable: V?
    let serial: UInt64
  }

  var optimizer: OptimizerV2
  var given: UnsafeMutablePointer<Given>?
  var givenCount: Int
}

@c @implementation func autograd_v2_impl_optimizer_create(
  _ parameters: UnsafeMutablePointer<V?>!, _ num_params: Int32, _ lr: Double
) -> UnsafeMutablePointer<OptimizerV2>! {
  call("optimizer_create", nil) { context throws(Misuse) in
    try context.makeOptimizer(parameters, Int(num_params), lr)
  }
}

extension Context {
  fileprivate func makeOptimizer(_ parameters: UnsafeMutablePointer<V?>?, _ count: Int, _ rate: Double) throws(Misuse)
    -> UnsafeMutablePointer<OptimizerV2>
  {
    guard count >= 0, count == 0 || parameters != nil else {
      throw Misuse("", "\(count) parameters in a list that is NULL")
    }
    try checkRate(rate)
    try checkList(parameters, count)
    for index in 0..<count {
      if let variable = parameters?[index], let parameter = core(of: variable) { try lookAfter(parameter) }
    }
    let cell = try make(OptimizerCell.self, .optimizer)
    // INVARIANT: what C sees stands first.
    let optimizer = UnsafeMutableRawPointer(cell).assumingMemoryBound(to: OptimizerV2.self)
    do throws(Misuse) {
      optimizer.pointee.parameters = try memory(V?.self, count)
      cell.pointee.given = try memory(OptimizerCell.Given.self, count)
    } catch {
      freePart(optimizer, .optimizer, freeParts)
      throw error
    }
    cell.pointee.givenCount = count
    for index in 0..<count {
      let variable = parameters?[index]
      optimizer.pointee.parameters[index] = variable
      cell.pointee.given?[index] = OptimizerCell.Given(
        variable: variable, serial: variable.map { Context.serial(of: $0) } ?? 0)
    }
    optimizer.pointee.num_params = Int32(count)
    optimizer.pointee.lr = rate
    return optimizer
  }

  func freeParts(_ optimizer: UnsafeMutablePointer<OptimizerV2>) {
    free(optimizer.pointee.parameters)
    free(UnsafeMutableRawPointer(optimizer).assumingMemoryBound(to: OptimizerCell.self).pointee.given)
  }

  /// Throws where the list still names a variable that it was made with and that was freed.
  private func checkGiven(_ optimizer: UnsafeMutablePointer<OptimizerV2>, _ parameters: UnsafeBufferPointer<V?>)
    throws(Misuse)
  {
    // One that the program made by itself has no more than C's members.
    guard Cells.isLive(optimizer, .optimizer) else { return }
    let cell = UnsafeMutableRawPointer(optimizer).assumingMemoryBound(to: OptimizerCell.self).pointee
    for index in 0..<min(parameters.count, cell.givenCount) {
      guard let given = cell.given?[index], given.variable == parameters[index] else { continue }
      try requireSame(parameters[index], index, given.serial)
    }
  }

  /// Throws where an optimiser's list names something that cannot be stepped, or a parameter twice.
  private func checkList(_ parameters: UnsafeMutablePointer<V?>?, _ count: Int) throws(Misuse) {
    var places: [V: Int] = [:]
    for index in 0..<count {
      let variable = try checkPersistent(parameters?[index], "parameter \(index)")
      if let first = places.updateValue(index, forKey: variable) {
        throw Misuse("", "parameters \(first) and \(index) are the same", hint: "name each one once")
      }
    }
  }

  /// The parameters of an optimiser, all of which can be stepped.
  private func parameters(_ optimizer: UnsafeMutablePointer<OptimizerV2>) throws(Misuse) -> UnsafeBufferPointer<V?> {
    let count = Int(optimizer.pointee.num_params)
    guard let list = optimizer.pointee.parameters else {
      throw CellKind.optimizer.unusable(optimizer, "the optimiser's list of parameters")
    }
    guard count >= 0 else { throw Misuse("", "the optimiser's num_params is \(count)") }
    let parameters = UnsafeBufferPointer(start: list, count: count)
    for (index, parameter) in parameters.enumerated() { _ = try update(parameter, index) }
    try checkGiven(optimizer, parameters)
    return parameters
  }

  /// Steps all parameters, or none.
  fileprivate func step(_ optimizer: UnsafeMutablePointer<OptimizerV2>) throws(Misuse) {
    try requireGradients()
    let parameters = try parameters(optimizer)
    try checkRate(optimizer.pointee.lr)
    for (index, parameter) in parameters.enumerated() {
      guard let (value, gradient) = try update(parameter, index) else { continue }
      core.copy(
        gradient.pointee.data, to: value.pointee.data, count: Int(value.pointee.size), scale: -optimizer.pointee.lr,
        accumulate: true)
    }
  }

  /// Zeroes all gradients, or none.
  fileprivate func zeroGradients(_ optimizer: UnsafeMutablePointer<OptimizerV2>) throws(Misuse) {
    for parameter in try parameters(optimizer) { try zeroGradient(parameter) }
  }
}

@c @implementation func autograd_v2_impl_optimizer_zero_grad(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) {
  guard let optimizer else { return }
  call("optimizer_zero_grad", ()) { context throws(Misuse) in try context.zeroGradients(optimizer) }
}

@c @implementation func autograd_v2_impl_optimizer_step(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) -> Int32 {
  call("optimizer_step", -1) { context throws(Misuse) in
    guard let optimizer else { throw absent("the optimiser") }
    try context.step(optimizer)
    return 0
  }
}

@c @implementation func autograd_v2_impl_optimizer_destroy(_ optimizer: UnsafeMutablePointer<OptimizerV2>!) {
  call("optimizer_destroy", ()) { context throws(Misuse) in
    try context.freeStruct(optimizer, .optimizer, context.freeParts)
  }
}
