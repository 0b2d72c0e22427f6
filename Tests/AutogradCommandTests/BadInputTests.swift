import Foundation
import AutogradTestSupport
import Testing

/// Bad input, its exact sentence and its exit code. `@` stands for the test's own folder.
@Suite("Bad input") struct BadInputTests {
  struct Case: CustomTestStringConvertible {
    let arguments: String
    let status: Int32
    let sentence: String
    var testDescription: String { arguments }

    init(_ arguments: String, _ status: Int32, _ sentence: String) {
      (self.arguments, self.status, self.sentence) = (arguments, status, sentence)
    }
  }

  static let cases = [
    // Options.
    Case("train --max-iter 5", 64, "Error: Unknown option '--max-iter'. Did you mean '--max-iters'?"),
    Case("generate --modle x", 64, "Error: Missing expected argument '--model <path>'"),
    Case("trian", 64, "Error: Unexpected argument 'trian'"),
    Case("train --n-layer four", 64, "Error: The value 'four' is invalid for '--n-layer <n>'"),
    Case("train --learning-rate fast", 64, "Error: The value 'fast' is invalid for '--learning-rate <x>'"),
    Case("train --optimizer lion", 64, "Error: The value 'lion' is invalid for '--optimizer <name>'. Please provide one of 'adamw', 'adam' or 'sgd'."),
    Case("train --preset huge", 64, "Error: there is no preset 'huge'; choose one of tiny, small, medium, large, baby, char, gpt2"),
    Case("train --schedule constant --min-lr 1e-5", 64, "Error: --min-lr means nothing with --schedule constant, whose rate stays; leave one of them out"),
    Case("train --schedule constant --lr-decay-iters 5", 64, "Error: --lr-decay-iters means nothing with --schedule constant, whose rate stays"),
    Case("train --threads 0", 64, "Error: --threads must lie between 1 and 256, got 0"),
    Case("generate --model x --temperature=-1", 64, "Error: --temperature must be a number of at least 0, got -1.0"),
    Case("generate --model x --top-k 0", 64, "Error: --top-k must be at least 1, got 0"),
    Case("generate --model x --top-p 0", 64, "Error: --top-p must lie above 0 and be at most 1, got 0.0"),
    Case("generate --model x --min-p 2", 64, "Error: --min-p must lie between 0 and 1, got 2.0"),
    Case("generate --model x --repeat-penalty 0", 64, "Error: --repeat-penalty must be a number above 0, got 0.0"),
    Case("generate --model x --num-samples 0", 64, "Error: --num-samples must be at least 1, got 0"),
    Case("generate --model x --prompt a --file b", 64, "Error: --prompt and --file both give the prompt; leave one out"),
    Case("bench gemm --shape 4x4", 64, "Error: The value '4x4' is invalid for '--shape <mxnxk>': write rows x columns x depth, such as 1024x3072x768, each between 1 and 65536"),
    Case("bench gemm --shape 0x4x4", 64, "Error: The value '0x4x4' is invalid for '--shape <mxnxk>': write rows x columns x depth"),
    Case("bench gemm --repeats 0", 64, "Error: --repeats must be at least 1, got 0"),
    Case("bench step --threads 0", 64, "Error: --threads must lie between 1 and 256, got 0"),
    Case("bench step --steps 0", 64, "Error: --steps must be at least 1, got 0"),
    Case("bench step --preset huge", 64, "Error: there is no preset 'huge'; choose one of tiny, small, medium, large, baby, char, gpt2"),
    Case("bench step --vocab-size 0", 3, "error: the vocabulary size must lie between 1 and 16777216, got 0"),
    Case("bench memory --megabytes 0", 64, "Error: --megabytes must lie between 1 and 65536, got 0"),
    Case("plan --fit much", 64, "Error: The value 'much' is invalid for '--fit <size>'"),
    // Sizes and settings.
    Case("plan --n-layer 0", 3, "error: the number of layers must lie between 1 and 16777216, got 0"),
    Case("train --batch-size 99999999999", 3, "error: a batch of 99999999999 windows of 96 tokens is larger than any"),
    // Memory.
    Case("train --n-layer 200 --n-embd 8192", 4, "error: not enough memory: training needs "),
    Case("train --n-layer 999 --n-embd 65536", 3, "error: the model is too large for any memory"),
    Case("train --n-layer 999 --n-embd 16384 --batch-size 999999", 4, "error: not enough memory: no machine"),
    Case("plan --preset char --fit 1M", 4, "error: nothing fits 1048.6 kB: weights, gradients and optimiser take "),
    Case("train --n-embd 10 --n-head 3", 3, "error: 10 channels do not divide into 3 heads; make the channels a multiple of the heads (--n-embd, --n-head)"),
    Case("train --n-layer 0", 3, "error: the number of layers must lie between 1 and 16777216, got 0"),
    Case("train --dropout 1", 3, "error: dropout must be at least 0 and below 1, got 1.0"),
    Case("train --block-size 0", 3, "error: the block size must lie between 1 and 16777216, got 0"),
    Case("train --batch-size 0", 3, "error: the batch size must be at least 1, got 0"),
    Case("train --max-iters=-1", 3, "error: the number of steps must be at least 0, got -1"),
    Case("train --eval-iters 0", 3, "error: the number of evaluation batches must be at least 1, got 0"),
    Case("train --log-interval 0", 3, "error: the log interval must be at least 1, got 0"),
    Case("train --grad-accum 0", 3, "error: the number of accumulated batches must be at least 1, got 0"),
    Case("train --beta1 1", 3, "error: beta1 must be at least 0 and below 1, got 1.0"),
    Case("train --learning-rate nan", 3, "error: the learning rate must be a number of at least 0, got nan"),
    Case("train --weight-decay=-1", 3, "error: the weight decay must be a number of at least 0, got -1.0"),
    // Files.
    Case("train --data @/missing.txt", 3, "error: cannot read @/missing.txt: it does not exist; check the path"),
    Case("train --data @", 3, "error: cannot read @/fifo: it is not a plain file"),
    Case("train --data @/empty.txt", 3, "error: @/empty.txt is empty"),
    Case("train --data @/short.txt", 3, "error: the training part has 8 tokens, but one window of block size 64 takes 64 + 1"),
    Case("train --data @/binary.txt", 3, "error: @/binary.txt is not UTF-8"),
    Case("train --data @/fifo", 3, "error: cannot read @/fifo: it is not a plain file but a pipe, socket or device; name a plain file"),
    Case("train --init-from @/nowhere", 3, "error: cannot read @/nowhere/config.json: it does not exist; check the path"),
    Case("generate --model @/nowhere", 3, "error: cannot read @/nowhere/config.json: it does not exist; check the path"),
    Case("generate --model @/badjson", 3, "error: @/badjson/config.json: JSON "),
    Case("generate --model @/mamba", 3, "error: @/mamba/config.json: model_type is \"mamba\"; this version opens \"gpt2\", \"llama\""),
    Case("generate --model @/keyless", 3, "error: @/keyless/config.json: the key \"vocab_size\" is missing"),
    Case("evaluate --model @/nowhere --data @/short.txt", 3, "error: cannot read @/nowhere/config.json: it does not exist; check the path"),
    Case("inspect @/missing.safetensors", 3, "error: cannot read @/missing.safetensors: it does not exist; check the path"),
    Case("inspect @/short.txt", 3, "error: @/short.txt: "),
  ]

  @Test("one sentence, the right exit code, nothing written", arguments: cases)
  func refused(_ one: Case) throws {
    try temporaryDirectory { path in
      for (name, content) in [("empty.txt", ""), ("short.txt", "too short")] { try write(content, "\(path)/\(name)") }
      try Data([0x61, 0xFF]).write(to: URL(fileURLWithPath: path + "/binary.txt"))
      mkfifo(path + "/fifo", 0o600)
      for (folder, config) in [("badjson", "{"), ("mamba", "{\"model_type\": \"mamba\"}"), ("keyless", "{}")] {
        try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
        try write(config, "\(path)/\(folder)/config.json")
      }
      var arguments = one.arguments.replacing("@", with: path).split(separator: " ").map(String.init)
      if arguments[0] == "train" { arguments += ["--out", path + "/out"] }
      let outcome = try autograd(arguments)
      #expect(outcome.status == one.status, "\(outcome.errors)")
      let first = String(outcome.errors.split(separator: "\n").first ?? ""), sentence = one.sentence.replacing("@", with: path)
      #expect(first.hasPrefix(sentence), "\(first)")
      if one.status == 3 || one.status == 4 { #expect(outcome.errors.split(separator: "\n").count == 1) }
      #expect(outcome.output.isEmpty)
      #expect(!FileManager.default.fileExists(atPath: path + "/out/model.safetensors"))
    }
  }
}
