import AutogradEngine
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@c @implementation func autograd_v2_impl_autograd_explain_gradients(
  _ parameters: UnsafeMutablePointer<V?>!, _ count: Int32
) -> UnsafePointer<CChar>! {
  let text = call("autograd_explain_gradients", "") { context throws(Misuse) in
    guard count >= 0, count == 0 || parameters != nil else { throw Misuse("", "a list of \(count) that is NULL") }
    var lines = ""
    for index in 0..<Int(count) { lines += "parameter \(index): \(context.explanation(parameters[index]))\n" }
    return lines
  }
  return text.withCString { autograd_v2_state_keep_text($0) } ?? autograd_v2_state_message()
}

extension Context {
  /// Why a parameter's gradient is what it is, in words.
  fileprivate func explanation(_ variable: V?) -> String {
    guard let variable else { return "it is NULL" }
    do throws(Misuse) {
      _ = try check(variable, "it")
    } catch {
      return error.problem
    }
    guard variable.pointee.requires_grad else { return "requires_grad is false: backward leaves it out" }
    guard let gradient = variable.pointee.grad, let data = gradient.pointee.data else {
      return "it has no gradient yet"
    }
    var sum = 0.0
    for index in 0..<Int(gradient.pointee.size) { sum += abs(data[index]) }
    if !sum.isFinite { return "the gradient is not finite: autograd_set_anomaly_mode(true) names the operation" }
    if sum > 0 { return isStale(variable) ? "not zero, but of an earlier iteration" : "not zero" }
    return "zero: " + reason(variable)
  }

  private func isStale(_ variable: VariablePointer) -> Bool {
    guard let parameter = core(of: variable) else { return false }
    return parameter.generation != core.generation
  }

  func core(of variable: VariablePointer) -> ParameterCore? {
    guard variable.pointee.private_kind == HeaderKind.persistentVariable else { return nil }
    return variable.pointee.private_parameter.map { Unmanaged<ParameterCore>.fromOpaque($0).takeUnretainedValue() }
  }

  private func reason(_ variable: VariablePointer) -> String {
    if core.records.count == 0 { return "nothing was recorded in this iteration: compute the loss first" }
    var used = false, reached = false, walked = false
    for index in 0..<core.records.count {
      let record = core.records[index]
      walked = walked || record.consumed
      try? core.forEachInput(of: record) { slot in
        guard isNode(slot, of: variable) else { return }
        used = true
        reached = reached || record.consumed
      }
    }
    // Records of a part that is recomputed come and go; its parameters are inputs of the part.
    for index in 0..<Int(tape.pointee.count) {
      let operation = tape.pointee.ops[index]
      guard (0..<Int(operation.num_inputs)).contains(where: { operation.inputs[$0] == variable }) else { continue }
      used = true
      let record = core.nodes[Slot(operation.output.pointee.private_slot)].record
      reached = reached || (record >= 0 && core.records[record].consumed)
    }
    if !used { return "no operation of this iteration used it" }
    if !walked { return "no backward ran in this iteration: seed a loss and call tape_backward" }
    if !reached {
      return "the backward did not reach it: no loss that was seeded depends on it"
    }
    return "the gradients that reached it are zero (a dead ReLU, a loss that does not change with it, or a key bias)"
  }

  private func isNode(_ slot: Slot, of variable: VariablePointer) -> Bool {
    if let parameter = core(of: variable) { return core.nodes[slot].parameter?.takeUnretainedValue() === parameter }
    return slot == Slot(variable.pointee.private_slot)
  }
}

@c @implementation func autograd_v2_impl_autograd_memory_report(_ stream: UnsafeMutablePointer<FILE>!) {
  guard let stream else { return }
  call("autograd_memory_report", ()) { context in
    let arena = context.core.arena.statistics, backend = context.core.backend
    let text = """
      step \(context.core.step)
      arena: \(arena.used) bytes in use, \(arena.peak) at most, \(arena.reserved) mapped in \(arena.chunks) pieces
      limit: \(context.core.arena.byteLimit.map { "\($0) bytes" } ?? "none")
      this step: \(context.core.nodes.count) variables, \(context.core.records.count) records, which take \
      \(context.bytesBesideArena) bytes beside the arena
      workspace of the kernels: \(backend.workspaceBytes) bytes, \(backend.pool.threadCount) threads

      """
    _ = text.withCString { fputs($0, stream) }
  }
}

@c @implementation func autograd_v2_impl_autograd_check_gradients(
  _ forward: (@convention(c) (UnsafeMutableRawPointer?) -> V?)!, _ user: UnsafeMutableRawPointer!,
  _ parameters: UnsafeMutablePointer<V?>!, _ count: Int32, _ tolerance: Double
) -> Int32 {
  call("autograd_check_gradients", -1) { context throws(Misuse) in
    guard let forward else { throw absent("the function that computes the loss") }
    guard tolerance > 0, tolerance.isFinite else {
      throw Misuse("", "a tolerance of \(tolerance)", hint: "give more than 0: 1e-6 suits smooth functions")
    }
    try context.requireNoCallout("check gradients when it has returned")
    guard count >= 0, count == 0 || parameters != nil else { throw Misuse("", "a list of \(count) that is NULL") }
    var checked: [Parameter<Double>] = []
    for index in 0..<Int(count) {
      let variable = try context.check(parameters[index], "parameter \(index)")
      guard variable.pointee.private_kind == HeaderKind.persistentVariable else {
        throw Misuse("", "parameter \(index) is temporary", hint: "check persistent variables")
      }
      guard variable.pointee.requires_grad else { continue }
      let shape = try context.shape(of: try context.check(variable.pointee.data, "the tensor"))
      checked.append(Parameter(core: try context.parameter(variable, shape)))
    }
    let report = try context.compare(checked, tolerance) { () throws(Misuse) in
      var callout = AutogradV2Callout()
      (callout.forward, callout.user) = (forward, user)
      try context.callOut(&callout)
      let loss = try context.check(callout.result, "the loss")
      let tensor = try context.check(loss.pointee.data, "the loss's tensor")
      guard tensor.pointee.size == 1, tensor.pointee.data != nil
      else { throw Misuse("", "the loss is not a single number", hint: "take ag_sum of it") }
      return loss
    }
    guard report.passes else { throw Misuse("", "\(report)", hint: "check the backward of custom operations") }
    return 0
  }
}

extension Context {
  /// Compares the gradients of a loss with differences of it. Every evaluation is an iteration of its own.
  fileprivate func compare(
    _ parameters: [Parameter<Double>], _ tolerance: Double, _ loss: () throws(Misuse) -> V
  ) throws(Misuse) -> GradientReport {
    let check = GradientsInCheck(accumulates: accumulates, parameters: parameters)
    self.check = check
    accumulates = false
    defer {
      accumulates = check.accumulates
      self.check = nil
    }
    try reset()
    let value = try loss()
    let magnitude = abs(value.pointee.data.pointee.data[0])
    guard autograd_v2_impl_autograd_backward(value) == 0 else { throw passedOn }
    let gradients = parameters.map { parameter -> [Double] in
      guard parameter.core.generation == core.generation else { return [Double](repeating: 0, count: parameter.count) }
      return [Double](UnsafeBufferPointer(
        start: parameter.core.allocatedGradientStart?.assumingMemoryBound(to: Double.self), count: parameter.count))
    }
    var failure: Misuse?
    var random = initializationStream()
    let report = GradientCheck(parameters: parameters, step: 1e-3, magnitude: max(1, magnitude)).compare(
      with: gradients, tolerance: tolerance, sampleCount: nil, directionCount: 2, &random
    ) {
      guard failure == nil else { return .nan }
      do throws(Misuse) {
        try reset()
        return try loss().pointee.data.pointee.data[0]
      } catch {
        failure = error
        return .nan
      }
    }
    try reset()
    if let failure { throw failure }
    return report
  }
}
