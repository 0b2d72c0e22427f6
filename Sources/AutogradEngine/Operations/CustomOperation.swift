import CAutogradKernels

/// An operation of your own: forward and backward in Swift.
///
/// For what the operations here do not compose to, or compose to badly. It works on copies: every use copies
/// inputs and results in and out of the step and allocates on the heap, in backward again, so it is for what
/// is rare, small or expensive by itself. Nothing else differs: `checkGradients` checks it, `Tape.plan` knows
/// its memory, a stale input stops with a sentence.
///
/// ```swift
/// struct Softplus: CustomOperation {
///   let name: StaticString = "softplus"
///
///   func forward(_ inputs: [Tensor<Double>]) -> Tensor<Double> {
///     inputs[0].map { log1p(exp($0)) }
///   }
///
///   func backward(
///     _ inputs: [Tensor<Double>], output: Tensor<Double>, gradient: Tensor<Double>
///   ) -> [Tensor<Double>?] {
///     [inputs[0].combined(with: gradient) { $1 / (1 + exp(-$0)) }]
///   }
/// }
///
/// let y = x.custom(Softplus())
/// ```
public protocol CustomOperation<Scalar> {
  associatedtype Scalar: TensorScalar

  /// What sentences of errors call it.
  var name: StaticString { get }

  /// The shape of the result, from those of the inputs: the first one's, unless you say otherwise.
  ///
  /// Plans call this and nothing else, so it must not look at numbers.
  ///
  /// - Throws: A `Misuse` under this operation's name where the shapes do not fit; its sentence then stops
  ///   the program.
  func outputShape(_ inputs: [Shape]) throws(Misuse) -> Shape

  /// Computes the result.
  func forward(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar>

  /// Computes the gradient of each input from that of the result: Jᵀ·gradient. nil stands for zeros.
  func backward(
    _ inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>?]
}

extension CustomOperation {
  public func outputShape(_ inputs: [Shape]) throws(Misuse) -> Shape {
    guard let first = inputs.first else {
      throw Misuse(
        name, "there are no inputs", hint: "an operation without inputs has to say its outputShape")
    }
    return first
  }
}

extension Variable {
  /// Applies an operation of your own to this variable and to others of its tape, or to parameters as they are.
  ///
  /// - Precondition: The operation keeps to its `outputShape`, and backward gives one gradient per input, of
  ///   that input's shape; otherwise stops and prints both.
  public func custom(_ operation: some CustomOperation<Scalar>, _ others: any Operand<Scalar>...) -> Variable {
    apply(operation.name) { c, x throws(Misuse) in
      var slots = [x]
      for other in others { slots.append(try c.place(other, operation.name)) }
      return try c.userDefined(operation, slots)
    }
  }
}

/// The backward of one use of a custom operation, whatever its type.
protocol UserDefinedBackward {
  func run(_ core: TapeCore, _ record: Record) throws(Misuse)
}

private struct Use<Operation: CustomOperation>: UserDefinedBackward {
  let operation: Operation

  func run(_ core: TapeCore, _ record: Record) throws(Misuse) { try core.backward(of: operation, record) }
}

extension TapeCore {
  func userDefined(_ operation: some CustomOperation, _ inputs: [Slot]) throws(Misuse) -> Slot {
    let shape = try operation.outputShape(inputs.map { nodes[$0].shape }).validated(operation.name)
    let needed = inputs.contains { nodes[$0].requiresGradient }
    let y = try temporary(shape, operation.name, requiresGradient: needed)
    if !isPlanning {
      let output = operation.forward(inputs.map { tensor($0) })
      guard output.shape == shape else {
        throw Misuse(operation.name, "forward gave shape \(output.shape), outputShape said \(shape)")
      }
      unsafe copy(output, to: Contribution(target: data(y), adds: false))
    }
    guard isRecording, needed else { return y }
    let first = unsafe inputs.withUnsafeBufferPointer {
      unsafe $0.baseAddress.map { unsafe listInputs($0, inputs.count) }
    }
    userDefinedBackwards.append(Use(operation: operation))
    unsafe record(
      .userDefined, -1, output: y,
      integers: [first ?? 0, inputs.count, userDefinedBackwards.count - 1, 0])
    return y
  }

  func userDefinedBackward(_ record: Record) throws(Misuse) {
    try userDefinedBackwards[record.integers[2]].run(self, record)
  }

  fileprivate func backward<Operation: CustomOperation>(
    of operation: Operation, _ record: Record
  ) throws(Misuse) {
    let inputs = (0..<record.integers[1]).map { inputLists[record.integers[0] + $0] }
    var gradients = [Tensor<Operation.Scalar>?](repeating: nil, count: inputs.count)
    if !isPlanning {
      let shape = nodes[record.output].shape.array
      gradients = operation.backward(
        inputs.map { tensor($0) }, output: tensor(record.output),
        gradient: unsafe Tensor(
          shape: shape, elements(gradient(of: record.output), nodes[record.output].shape.count)))
    }
    guard gradients.count == inputs.count else {
      throw Misuse(operation.name, "backward gave \(gradients.count) gradients for \(inputs.count) inputs")
    }
    for (number, (input, gradient)) in zip(inputs, gradients).enumerated() {
      guard let target = unsafe try contribution(to: input, operation.name) else { continue }
      let shape = nodes[input].shape
      guard let gradient else {
        unsafe clear(target, count: shape.count)
        continue
      }
      guard gradient.shape == shape else {
        throw Misuse(
          operation.name,
          "backward gave a gradient of shape \(gradient.shape) for input \(number), which is \(shape)")
      }
      unsafe copy(gradient, to: target)
    }
  }

  private func tensor<Scalar>(_ slot: Slot) -> Tensor<Scalar> {
    unsafe Tensor(shape: nodes[slot].shape.array, elements(data(slot), nodes[slot].shape.count))
  }

  /// INVARIANT: the target has as many elements as the tensor, of its type.
  @unsafe private func copy<Scalar>(_ tensor: Tensor<Scalar>, to target: Contribution) {
    unsafe tensor.elements.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe copy(start, to: target.target, count: tensor.count, accumulate: target.adds)
    }
  }
}
