// The one list of settings. To add one: a property of `RunSettings` or `TrainingConfiguration` with its default, and a
// declaration here, with `isOptionalInFiles`, since files that exist lack it.
extension Setting {
  package static let all = training + saving + model + run + adapter

  package static func named(_ key: String) -> Setting? { all.first { $0.key == key } }

  package static let model = sizes + choices

  private static let sizes = [
    Setting(
      "n_layer", .model, "the number of layers", \.layerCount, .within(1...1 << 24), help: "Layers",
      shown: "preset \(TrainingPreset.standard.name): \(TrainingPreset.standard.settings.layerCount)",
      isInPreset: true),
    Setting(
      "n_head", .model, "the number of heads", \.headCount, .within(1...1 << 24), help: "Attention heads",
      isInPreset: true),
    Setting(
      "n_embd", .model, "the number of channels", \.channelCount, .within(1...1 << 24),
      help: "Channels, a multiple of the heads", isInPreset: true),
    Setting(
      "block_size", .run, "the block size", \.blockSize, .within(1...1 << 24), help: "Tokens of context",
      aliases: ["ctx_size"], isInPreset: true),
    Setting(
      "dropout", .model, "dropout", \.dropout, .belowOne, help: "Share of activations dropped in training",
      valueName: "p", isInPreset: true),
    Setting("bias", .model, "biases", \.hasBias, help: "Biases in linear layers and norms", isInPreset: true),
  ]

  /// What families of models differ in.
  static let choices = [
    Setting("family", .model, "the family", \.family, help: "What the model is built like", valueName: "name"),
    Setting(
      "n_kv_head", .model, "the number of key-value heads", get: { $0.keyValueHeadCount },
      set: { $0.keyValueHeadCount = $1 }, .within(1...1 << 24), help: "Heads of keys and values", shown: "n-head"),
    Setting(
      "head_dim", .model, "the head size", get: { $0.headSize }, set: { $0.headSize = $1 }, .within(1...1 << 24),
      help: "Channels of a head", shown: "n-embd / n-head"),
    Setting(
      "n_inner", .model, "the feed-forward width", get: { $0.feedForwardWidth }, set: { $0.feedForwardWidth = $1 },
      .within(1...4 << 24), help: "Channels inside feed-forward layers", aliases: ["intermediate_size"],
      shown: "4 or 8/3 n-embd"),
    Setting(
      "rope_theta", .model, "the base of rotary positions", get: { $0.rotaryBase }, set: { $0.rotaryBase = $1 },
      .positive, help: "Base of rotary positions", valueName: "x", shown: "10000"),
    Setting(
      "sliding_window", .model, "the window", get: { $0.window }, set: { $0.window = $1 }, .within(0...1 << 40),
      help: "Tokens that attention looks back; 0: all", shown: "all"),
    Setting(
      "tie_word_embeddings", .model, "a tied head", get: { $0.tiesHead }, set: { $0.tiesHead = $1 },
      help: "The head is the token embedding", shown: "gpt2: yes"),
  ]

  package static let run = [
    Setting(
      "init_from", .run, "the model to start from", get: { $0.initFrom }, set: { $0.initFrom = $1 },
      help: "Start from a saved model", valueName: "dir", isOptionalInFiles: true),
    Setting(
      "tokenizer", .run, "the vocabulary", get: { $0.tokenizer }, set: { $0.tokenizer = $1 },
      help: "A vocabulary's file or folder", valueName: "path", shown: "char: the text's characters",
      isOptionalInFiles: true),
    Setting(
      "val_fraction", .run, "the validation fraction", \.validationFraction, .belowOne,
      help: "Share of the text to validate with", valueName: "p", isOptionalInFiles: true),
    Setting(
      "keep_documents_apart", .run, "the bounds of documents", \.keepsDocumentsApart,
      help: "Let a token see its own document only", isOptionalInFiles: true),
    Setting(
      "chat_template", .run, "the chat template", get: { $0.chatTemplate }, set: { $0.chatTemplate = $1 },
      help: "How conversations are written", valueName: "name", shown: "the model's", isOptionalInFiles: true),
    Setting(
      "mask_prompt", .run, "the masks of questions", \.masksPrompt,
      help: "Of questions and answers learn the answers alone", isOptionalInFiles: true),
    Setting(
      "batch_size", .run, "the batch size", \.batchSize, .from(1), help: "Windows per batch",
      isInPreset: true),
    Setting(
      "freeze", .run, "the frozen weights", get: { $0.frozen }, set: { $0.frozen = $1 },
      help: "Weights that stay, as model.layers.0.*", valueName: "names", isOptionalInFiles: true),
    Setting(
      "recompute", .run, "recomputation", \.recomputesBlocks,
      help: "Compute activations again in backward: less memory, more time", resume: .mayChange,
      isOptionalInFiles: true),
  ]

  /// Training of an adapter; each but the first means something only with that.
  package static let adapter = [
    Setting(
      "lora_rank", .run, "the adapter's rank", get: { $0.adapterRank }, set: { $0.adapterRank = $1 }, .within(1...4096),
      help: "Train an adapter of this rank, not the weights", isOptionalInFiles: true),
    Setting(
      "lora_alpha", .run, "the adapter's alpha", get: { $0.adapterAlpha }, set: { $0.adapterAlpha = $1 }, .positive,
      help: "The adapter counts alpha / rank", valueName: "x", shown: "2 ranks", isOptionalInFiles: true),
    Setting(
      "lora_dropout", .run, "the adapter's dropout", \.adapterDropout, .belowOne,
      help: "Share of the adapter's inputs dropped", valueName: "p", isOptionalInFiles: true),
    Setting(
      "lora_target", .run, "the adapted weights", \.adapterTargets,
      help: "all, attention, mlp, or names as q_proj,v_proj", valueName: "which", isOptionalInFiles: true),
    Setting(
      "rslora", .run, "rank stabilisation", \.isRankStabilized, help: "The adapter counts alpha / √rank",
      isOptionalInFiles: true),
    Setting(
      "base_weights", .run, "the form of the base", \.baseWeights,
      help: "Form of the base", valueName: "form", isOptionalInFiles: true),
    Setting(
      "base_products", .run, "the products of the base", \.configuration.baseProducts,
      help: "How they multiply forward", valueName: "mode", isOptionalInFiles: true),
    Setting(
      "dpo_beta", .run, "DPO's beta", \.configuration.preferenceBeta, .positive,
      help: "How tightly preference pairs hold to the base", valueName: "x", isOptionalInFiles: true),
  ]

  package static let training = [
    Setting(
      "grad_accum", .training, "the number of accumulated batches", \.configuration.accumulation,
      .from(1, upTo: SettingRange<Int>.mostAccumulated), help: "Batches per step", aliases: ["gradient_accumulation_steps"],
      isInPreset: true),
    Setting(
      "max_iters", .training, "the number of steps", \.configuration.maximumSteps, .from(0), help: "Steps",
      aliases: ["iters"], resume: .mayChange, isInPreset: true),
    Setting(
      "epochs", .run, "the number of epochs", get: { $0.epochs }, set: { $0.epochs = $1 }, .positive,
      help: "Times to see all of the data, instead of steps", valueName: "x", isOptionalInFiles: true),
    Setting(
      "learning_rate", .training, "the learning rate", \.configuration.learningRate, .notNegative,
      help: "Learning rate after warm-up", valueName: "x", isInPreset: true),
    Setting(
      "min_lr", .training, "the minimum learning rate", get: { $0.configuration.schedule.minimum },
      set: { $0.configuration.minimumLearningRate = $1 }, .notNegative, help: "Learning rate at the end",
      valueName: "x", shown: "a tenth", isInPreset: true),
    Setting(
      "warmup_iters", .training, "the number of warm-up steps", get: { $0.configuration.schedule.warmupSteps },
      set: { $0.configuration.warmupSteps = $1 }, .from(0), help: "Steps of linear warm-up", isInPreset: true),
    Setting(
      "lr_decay_iters", .training, "the number of decay steps", get: { $0.configuration.schedule.decaySteps },
      set: { $0.configuration.decaySteps = $1 }, .from(0), help: "Steps until the minimum rate", shown: "all",
      resume: .mayChange),
    Setting(
      "schedule", .training, "the schedule", \.configuration.decay, help: "The way to the minimum rate",
      valueName: "name"),
    Setting(
      "optimizer", .training, "the optimiser", \.configuration.optimizer, help: "Which optimiser", valueName: "name"),
    Setting(
      "beta1", .training, "beta1", \.configuration.beta1, .belowOne, help: "Adam's decay of the mean; SGD's momentum",
      valueName: "x"),
    Setting(
      "beta2", .training, "beta2", \.configuration.beta2, .belowOne, help: "Adam's decay of the square",
      valueName: "x"),
    Setting(
      "weight_decay", .training, "the weight decay", \.configuration.weightDecay, .notNegative,
      help: "Weight decay, on matrices", valueName: "x"),
    Setting(
      "grad_clip", .training, "the gradient clip", \.configuration.gradientClip, .notNegative,
      help: "Largest gradient norm; 0 never clips", valueName: "x"),
    Setting(
      "eval_interval", .training, "the evaluation interval", \.configuration.evaluationInterval, .from(1),
      help: "Steps between evaluations", resume: .mayChange),
    Setting(
      "eval_iters", .training, "the number of evaluation batches", \.configuration.evaluationBatches,
      .from(1, upTo: SettingRange<Int>.mostAccumulated), help: "Batches per evaluation and part"),
    Setting(
      "patience", .training, "the patience", get: { $0.configuration.patience }, set: { $0.configuration.patience = $1 },
      .from(1), help: "Evaluations without a better one before the run ends", resume: .mayChange,
      isOptionalInFiles: true),
    Setting(
      "log_interval", .training, "the log interval", \.configuration.logInterval, .from(1),
      help: "Steps between progress lines", resume: .mayChange),
    Setting(
      "precision", .training, "the precision", \.configuration.precision, help: "What matrix products multiply in",
      valueName: "name"),
    Setting(
      "seed", .training, "the seed", \.configuration.seed, help: "Decides weights, data order and dropout", letter: "s"),
  ]

  package static let saving = [
    Setting(
      "weights", .saving, "the type of saved weights", \.weights, help: "Saved numbers; checkpoints: f32",
      valueName: "type", resume: .mayChange, isOptionalInFiles: true),
    Setting(
      "on_nonfinite", .saving, "the policy", \.configuration.nonFinitePolicy,
      help: "What to do where a step gives NaN", valueName: "what", resume: .mayChange),
    Setting(
      "save_every", .saving, "the save interval", \.configuration.saveInterval, .from(0),
      help: "Steps between checkpoints; 0: at the end only", resume: .mayChange),
    Setting(
      "keep", .saving, "the number of kept checkpoints", \.configuration.keptCheckpoints, .from(1),
      help: "Checkpoints that stay, the best apart", resume: .mayChange),
  ]
}
