package com.thorbis.backup.storage.azure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What Azure makes of the roles: each can do its work, and nothing else is allowed. */
class PoliciesTest {
  private static final String BLOBS =
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/";
  private static final List<String> PATHS =
      List.of(
          "main/repository",
          "main/packs/t/p",
          "main/leases/r/1",
          "main/probe/x",
          "main/sessions/s/packs/t/p",
          "other/packs/t/p",
          "mainly/packs/t/p");
  private static final List<String> ACTIONS =
      List.of(
          "read",
          "write",
          "add/action",
          "delete",
          "move/action",
          "deleteBlobVersion/action",
          "permanentDelete/action",
          "manageOwnership/action",
          "immutableStorage/runAsSuperUser/action");

  @Test
  void eachRoleMayDoItsWorkAndNothingElse() throws IOException {
    int forbidden = 0;
    for (StoreRole role : StoreRole.values()) {
      String text = policy(role);
      for (String path : PATHS) {
        boolean ours = path.startsWith("main/") && role != StoreRole.ADMIN;
        boolean created = ours && role.creates() && path.startsWith("main/" + role.createsBelow());
        boolean own = path.startsWith("main/leases/") || path.startsWith("main/probe/");
        for (String action : ACTIONS) {
          boolean expected =
              switch (action) {
                case "read" -> ours && role != StoreRole.SEALED;
                case "write", "add/action" -> created;
                case "delete" ->
                    ours && (role == StoreRole.PRUNER || role == StoreRole.WRITER && own);
                default -> false;
              };
          assertThat(allows(text, action, "vault", path))
              .as("%s %s %s", role, action, path)
              .isEqualTo(expected);
          assertThat(allows(text, action, "another", path)).isFalse();
          forbidden += expected ? 1 : 2;
        }
      }
    }
    assertThat(forbidden).isGreaterThan(100);
  }

  @Test
  void aPrefixThatCouldEndTheConditionIsRefused() {
    assertThatThrownBy(
            () ->
                new AzureBlobObjectStoreFactory()
                    .policy(URI.create("azblob://vault/o'%22x"), StoreRole.READER))
        .isInstanceOf(StorageException.class)
        .hasMessageContaining("prefix of other characters");
  }

  private static String policy(StoreRole role) throws IOException {
    return new AzureBlobObjectStoreFactory()
        .policy(URI.create("azblob://vault/main"), role)
        .orElseThrow();
  }

  /** An action is allowed if it is listed, and every part of the condition is met. */
  private static boolean allows(String text, String action, String container, String path) {
    Matcher listed = Pattern.compile("\"DataActions\": \\[([^]]*)]").matcher(text);
    assertThat(listed.find()).isTrue();
    if (!listed.group(1).contains('"' + BLOBS + action + '"')) {
      return false;
    }
    Matcher part =
        Pattern.compile(
                "\\(\\(!\\(ActionMatches\\{'([^']*)'}\\)\\) OR \\(@Resource\\[[^]]*:name]"
                    + " StringEquals '([^']*)' AND \\((.*?)\\)\\)\\)")
            .matcher(text);
    int parts = 0;
    while (part.find()) {
      parts++;
      if (part.group(1).equals(BLOBS + action)) {
        List<String> folders = new ArrayList<>();
        Matcher like = Pattern.compile(":path] StringLike '([^']*)\\*'").matcher(part.group(3));
        while (like.find()) {
          folders.add(like.group(1));
        }
        return container.equals(part.group(2)) && folders.stream().anyMatch(path::startsWith);
      }
    }
    assertThat(parts).isPositive();
    return true;
  }
}
