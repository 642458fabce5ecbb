package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.RecoveryPublicKey;
import com.thorbis.backup.spi.repository.InitReport;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;

@Command(
    name = "init",
    description = "Create the repository and print its recovery kit; run again: no change.")
final class InitCommand extends Job {
  /** What a store says where even the folder for a repository is missing. */
  private static final String NO_PLACE = "storage.place-missing";

  @Override
  public Integer call() throws IOException {
    Thorbis thorbis = thorbis();
    Config config = thorbis.config();
    Optional<Path> keyFile =
        Optional.ofNullable(thorbis.recoveryKeyFile).map(thorbis.host().folder()::resolve);
    if (keyFile.isPresent() && !config.makesRecoveryKey()) {
      throw Failure.usage(
          "--recovery-key-file: there is no recipient that a new recovery key could be for",
          "Add - uri: \"recovery:\" (with the quotes) to repository.encryption.recipients.");
    }
    boolean made = config.makesRecoveryKey() && makeRecoveryKey(config, keyFile);
    InitReport report = thorbis.initialised();
    Optional<String> fingerprint =
        config.makesRecoveryKey()
            ? new RecoveryMemory(config).recall().map(RecoveryPublicKey::fingerprint)
            : Optional.empty();
    thorbis.print(
        Json.object(
            "repositoryId", report.repositoryId(),
            "created", report.created(),
            "copies", config.copies().stream().map(Config.Copy::uri).toList(),
            "recipients", report.recipients(),
            "notes", report.notes(),
            "recoveryKeyFingerprint", fingerprint,
            "recoveryKeyFile", keyFile.filter(file -> made)),
        out -> kit(out, config, report, fingerprint, keyFile.filter(file -> made)));
    return Exit.DONE;
  }

  /** Whether there was none that this account remembers. */
  private boolean makeRecoveryKey(Config config, Optional<Path> keyFile) throws IOException {
    RecoveryMemory memory = new RecoveryMemory(config);
    if (memory.recall().isPresent()) {
      return false;
    }
    refuseIfThere(config, memory);
    RecoveryKeys keys = new RecoveryKeys(thorbis().host());
    // Remembered first: a repository whose recovery key nobody can name would be worse than a
    // remembered key without a repository.
    memory.remember(keyFile.isPresent() ? keys.toFile(keyFile.get()) : keys.onTerminal());
    return true;
  }

  /** A key made now would open nothing of a repository that exists. */
  private static void refuseIfThere(Config config, RecoveryMemory memory) throws IOException {
    try (ThorbisBackup others = Recipients.named(config).acceptSingleKeyRisk(true).build()) {
      others.repository();
    } catch (BackupException | IOException e) {
      Failure found = Failure.of(e);
      if (found.kind() == FailureKind.NOT_FOUND || found.code().equals(NO_PLACE)) {
        return;
      }
      throw e;
    }
    throw memory.unknown("Write");
  }

  private static void kit(
      PrintStream out,
      Config config,
      InitReport report,
      Optional<String> fingerprint,
      Optional<Path> keyFile) {
    out.println(
        "Repository " + report.repositoryId() + (report.created() ? " created" : " exists"));
    report.notes().forEach(note -> out.println("note: " + note));
    out.println();
    out.println("Recovery kit: keep this apart from this machine and from the repository");
    out.println("  repository   " + report.repositoryId());
    config.copies().forEach(copy -> out.println("  copy         " + copy.uri()));
    report.recipients().forEach(recipient -> out.println("  opened by    " + recipient));
    keyFile.ifPresent(file -> out.println("  recovery key in " + file + "; move it to a safe"));
    fingerprint.ifPresent(
        text -> {
          out.println("  configuration, from now on: - uri: recovery:" + text);
          out.println("On a blank machine, with this configuration and the recovery key in FILE:");
          out.println("  thorbis --recovery-key-file FILE restore SOURCE --target-dir DIR --start");
        });
  }
}
