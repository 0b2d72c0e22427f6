import CAutogradKernels
import AutogradKernels

// How operations reach their kernels. While planning, nothing runs; the backend notes what scratch memory it would
// take.
//
// INVARIANT of every call, here and in `Operations/`: the arguments point at blocks of this step (or at parameters)
// of at least the sizes that the shapes say, which the operation checked before. What a record saved is a block of the
// same step. Nothing here frees memory or lets a pointer outlive the step.
package extension TapeCore {
  /// Where a variable's values lie; a parameter's deferred update is applied first.
  @unsafe func data(_ slot: Slot) -> UnsafeMutableRawPointer {
    if let parameter = unsafe nodes[slot].parameter { unsafe parameter._withUnsafeGuaranteedRef { $0.applyDeferredUpdate() } }
    return unsafe nodes[slot].data
  }

  @unsafe func optionalData(_ slot: Slot) -> UnsafeMutableRawPointer? { slot < 0 ? nil : unsafe data(slot) }

  @unsafe func runElements<Arguments: KernelArguments>(_ arguments: Arguments, count: Int, cost: Int = 1) {
    if isPlanning { return }
    unsafe backend.runElements(arguments, type, count: count, cost: cost)
  }

  @unsafe func runRows<Arguments: KernelArguments>(_ arguments: Arguments, count: Int, columns: Int) {
    if isPlanning { return }
    unsafe backend.runRows(arguments, type, count: count, columns: columns)
  }

  /// Units that cover `columns` columns in blocks of 64.
  @unsafe func runColumns<Arguments: KernelArguments>(_ arguments: Arguments, columns: Int, rows: Int) {
    if isPlanning { return }
    let units = (columns + 63) / 64
    let grain = rows * columns < 16384 ? units : max(1, units / (backend.pool.threadCount * 2))
    unsafe backend.run(arguments, type, count: units, grain: grain)
  }

  @unsafe func run<Arguments: KernelArguments>(_ arguments: Arguments, count: Int, grain: Int, scratch: Int = 0) {
    if isPlanning && scratch == 0 { return }
    unsafe backend.run(arguments, type, count: count, grain: grain, scratch: scratch * type.size)
  }

  /// Runs a kernel whose units multiply matrices, at the tape's precision, `together` units at a time.
  @unsafe func runProducts<Arguments: KernelArguments>(
    _ arguments: Arguments, count: Int, together: Int = 1, scratch: Int
  ) {
    unsafe backend.run(
      arguments, type, count: count, grain: together, multiple: together, scratch: scratch * type.size,
      precision: matmulPrecision)
  }

  @unsafe func multiply(
    m: Int, n: Int, k: Int, _ a: MatrixView, _ b: MatrixView, into c: UnsafeMutableRawPointer, cStride: Int,
    accumulate: Bool = false, epilogue: ck_epilogue? = nil, sumsOverRows: Bool = false, inOneChain: Bool = false
  ) {
    unsafe backend.multiply(
      m: m, n: n, k: k, a, b, into: c, cStride: cStride, accumulate: accumulate, epilogue: epilogue,
      sumsOverRows: sumsOverRows, inOneChain: inOneChain, type, precision: matmulPrecision)
  }

  /// How products with stored weights multiply.
  var productMode: ProductMode {
    multipliesIntegers ? .integer : matmulPrecision == .bfloat16 ? .bfloat16 : .exact
  }

  /// Computes x·Wᵀ, W [n, k]. Where W is a parameter, a deferred update is applied as the product reads it; where it is
  /// a stored weight, its panels are read as they are.
  ///
  /// INVARIANT: x, y and what the epilogue reads do not lie in W; they were asked for by `data` before, so that no other
  /// update is deferred.
  @unsafe func multiply(
    m: Int, n: Int, k: Int, _ x: MatrixView, byWeight weight: Slot, into y: UnsafeMutableRawPointer, yStride: Int,
    epilogue: ck_epilogue? = nil
  ) {
    if let stored = storedWeight(weight) {
      unsafe backend.multiply(
        m: m, x, by: stored.kernelWeight, into: y, cStride: yStride, epilogue: epilogue, mode: productMode)
      return
    }
    let weights = unsafe MatrixView(nodes[weight].data, rowStride: 1, columnStride: k)
    let parameter = unsafe nodes[weight].parameter?.takeUnretainedValue()
    let takesUpdate = parameter != nil && backend.takesUpdate(m: m, n: n, k: k, type, precision: matmulPrecision)
    if isRecording, !isPlanning, let parameter, parameter.isTrainable { parameter.takesUpdatesInProducts = takesUpdate }
    guard let parameter, takesUpdate, !isPlanning else {
      unsafe _ = data(weight)
      return unsafe multiply(m: m, n: n, k: k, x, weights, into: y, cStride: yStride, epilogue: epilogue)
    }
    unsafe parameter.withDeferredUpdate { rule in
      unsafe backend.multiply(
        m: m, n: n, k: k, x, weights, into: y, cStride: yStride, epilogue: epilogue, update: rule, type,
        precision: matmulPrecision)
    }
  }

  /// Computes dx = dz·W, W [n, k], or adds it: the gradient that passes through a weight. The bits are the same whether W
  /// is stored or its numbers are.
  ///
  /// INVARIANT: dz, W and dx do not overlap.
  @unsafe func multiply(
    m: Int, n: Int, k: Int, _ dz: MatrixView, throughWeight weight: Slot, into dx: Contribution
  ) {
    guard let stored = storedWeight(weight) else {
      return unsafe multiply(
        m: m, n: k, k: n, dz, MatrixView(data(weight), rowStride: k, columnStride: 1), into: dx.target, cStride: k,
        accumulate: dx.adds)
    }
    unsafe backend.multiply(
      m: m, dz, through: stored.kernelWeight, into: dx.target, cStride: k, accumulate: dx.adds, precision: matmulPrecision)
  }

  /// Copies `scale` times x into y, or adds it, element by element.
  @unsafe func copy(
    _ x: UnsafeRawPointer, to y: UnsafeMutableRawPointer, count: Int, scale: Double = 1, accumulate: Bool
  ) {
    unsafe runElements(ck_affine(y: y, x: x, scale: scale, shift: 0, accumulate: accumulate ? 1 : 0), count: count)
  }

  @unsafe func fill(_ y: UnsafeMutableRawPointer, count: Int, with value: Double) {
    unsafe runElements(ck_fill(y: y, value: value), count: count)
  }

  /// Writes zeros where a contribution is the first and nothing else will write it.
  @unsafe func clear(_ contribution: Contribution?, count: Int) {
    if let contribution, !contribution.adds { unsafe fill(contribution.target, count: count, with: 0) }
  }

  /// An element as a number; NaN while planning.
  @unsafe func element(_ pointer: UnsafeRawPointer, _ index: Int = 0) -> Double {
    if isPlanning { return .nan }
    return switch type {
    case .float32: unsafe Double(pointer.load(fromByteOffset: index * 4, as: Float.self))
    case .float64: unsafe pointer.load(fromByteOffset: index * 8, as: Double.self)
    }
  }

  @unsafe func setElement(_ pointer: UnsafeMutableRawPointer, _ index: Int = 0, to value: Double) {
    if isPlanning { return }
    switch type {
    case .float32: unsafe pointer.storeBytes(of: Float(value), toByteOffset: index * 4, as: Float.self)
    case .float64: unsafe pointer.storeBytes(of: value, toByteOffset: index * 8, as: Double.self)
    }
  }
}
