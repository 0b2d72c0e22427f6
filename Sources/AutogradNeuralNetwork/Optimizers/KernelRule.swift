import AutogradEngine
package import CAutogradKernels

/// A rule whose formula is vector code: a file in `CAutogradKernels/bodies`.
package protocol KernelRule<Scalar>: UpdateRule {
  var kernel: ck_update_kind { get }

  /// What is wrong with its coefficients, in words; nil where nothing is.
  var problem: String? { get }

  /// What the vector code reads beside rate and gradient scale, in the order that the kernel's header names.
  ///
  /// - Parameter step: Counted from 1.
  func coefficients(step: Int) -> InlineArray<8, Double>
}

extension KernelRule {
  package var problem: String? { nil }

  /// The arguments of a step, without pieces.
  @unsafe package func arguments(
    step: Int, learningRate: Double, gradientScale: Double = 1, _ update: ck_update
  ) -> ck_rule {
    var rule = unsafe ck_rule()
    unsafe rule.update = unsafe update
    unsafe rule.state_count = stateNames.count
    unsafe rule.step = step
    unsafe rule.learning_rate = learningRate
    unsafe rule.gradient_scale = gradientScale
    let coefficients = coefficients(step: step)
    unsafe rule.coefficients = (
      coefficients[0], coefficients[1], coefficients[2], coefficients[3], coefficients[4], coefficients[5],
      coefficients[6], coefficients[7]
    )
    return unsafe rule
  }
}
