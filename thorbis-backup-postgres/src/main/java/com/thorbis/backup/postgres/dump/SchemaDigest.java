package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** A digest of every definition in a database: of what {@code pg_dump} says of it without rows. */
final class SchemaDigest {
  /** What another minor version says otherwise, or every run. */
  private static final List<String> PASSING =
      List.of("-- Dumped from ", "-- Dumped by ", "\\restrict ", "\\unrestrict ");

  private SchemaDigest() {}

  static String of(
      ClientTools tools,
      ToolConnection connection,
      String snapshot,
      List<Table> left,
      Cancellation cancellation)
      throws IOException {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--schema-only",
                "--no-publications",
                "--no-subscriptions",
                "--encoding=UTF8",
                "--lock-wait-timeout=600000",
                "--snapshot=" + snapshot));
    left.forEach(table -> arguments.add("--exclude-table=" + DumpBackup.pattern(table)));
    try (ToolRun run = tools.start(Tool.PG_DUMP, connection, arguments, cancellation)) {
      run.input().close();
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      BufferedReader lines =
          new BufferedReader(new InputStreamReader(run.output(), StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (PASSING.stream().noneMatch(line::startsWith)) {
          digest.update((line + "\n").getBytes(StandardCharsets.UTF_8));
        }
      }
      run.finish();
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("The Java runtime has no SHA-256", e);
    }
  }
}
