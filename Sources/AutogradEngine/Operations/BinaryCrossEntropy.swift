// Binary cross-entropy of logits. Forward, backward and their formulas stand in MeanSquaredError.swift: the two differ in
// one function of an element only.

extension Variable {
  /// The mean binary cross-entropy of logits against probabilities, in nats.
  ///
  /// Takes logits, not probabilities: the sigmoid is part of it, so that nothing overflows or cancels.
  ///
  /// Shapes: `self` and `targets` [...] → [].
  /// Formula: −t·log s(x) − (1 − t)·log(1 − s(x)), s the sigmoid.
  ///
  /// - Precondition: Equal shapes, without broadcasting; otherwise stops and prints both.
  /// - Complexity: about 40 flops per element, 25 backward; keeps nothing but the operands.
  public func binaryCrossEntropy(_ targets: some Operand<Scalar>) -> Variable {
    apply(targets, "binaryCrossEntropy") { c, x, t throws(Misuse) in
      try c.pairLoss(.binaryCrossEntropy, x, t)
    }
  }
}
