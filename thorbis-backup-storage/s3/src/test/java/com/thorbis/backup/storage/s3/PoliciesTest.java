package com.thorbis.backup.storage.s3;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What IAM makes of the policies: each role can do its work, and nothing else is allowed. */
class PoliciesTest {
  private static final String BUCKET = "arn:aws:s3:::vault";
  private static final String MAIN = BUCKET + "/main/";
  private static final Map<String, String> USUAL =
      Map.of("aws:SecureTransport", "true", "s3:prefix", "main/packs/");
  private static final Map<String, String> NEW =
      with(USUAL, Map.of("s3:if-none-match", "*", "s3:ObjectCreationOperation", "true"));
  private static final Map<String, String> PART =
      with(USUAL, Map.of("s3:ObjectCreationOperation", "false"));
  private static final Map<String, String> OVERWRITE =
      with(USUAL, Map.of("s3:ObjectCreationOperation", "true"));

  @Test
  void eachRoleCanDoItsWork() throws IOException {
    for (StoreRole role : List.of(StoreRole.WRITER, StoreRole.READER, StoreRole.PRUNER)) {
      Policy policy = policy(role);
      assertThat(policy.allows("s3:ListBucket", BUCKET, USUAL)).isTrue();
      assertThat(policy.allows("s3:GetObject", MAIN + "packs/t/p", USUAL)).isTrue();
      assertThat(policy.allows("s3:RestoreObject", MAIN + "packs/t/p", USUAL)).isTrue();
      for (Map<String, String> how : List.of(NEW, PART)) {
        assertThat(policy.allows("s3:PutObject", MAIN + "packs/t/p", how))
            .as("%s", role)
            .isEqualTo(role.creates());
      }
      assertThat(policy.allows("s3:PutObjectRetention", MAIN + "packs/t/p", USUAL))
          .isEqualTo(role.creates());
      assertThat(policy.allows("s3:DeleteObject", MAIN + "leases/r/1", USUAL))
          .isEqualTo(role != StoreRole.READER);
      assertThat(policy.allows("s3:DeleteObject", MAIN + "packs/t/p", USUAL))
          .isEqualTo(role == StoreRole.PRUNER);
    }
    assertThat(policy(StoreRole.ADMIN).allows("s3:PutLifecycleConfiguration", BUCKET, USUAL))
        .isTrue();
  }

  @Test
  void aSealedWriterCreatesInItsFolderAndReadsNothing() throws IOException {
    Policy policy = policy(StoreRole.SEALED);
    String own = MAIN + "sessions/s/packs/t/p";
    for (Map<String, String> how : List.of(NEW, PART)) {
      assertThat(policy.allows("s3:PutObject", own, how)).isTrue();
      assertThat(policy.allows("s3:PutObject", MAIN + "packs/t/p", how)).isFalse();
    }
    assertThat(policy.allows("s3:AbortMultipartUpload", own, USUAL)).isTrue();
    assertThat(policy.allows("s3:PutObject", own, OVERWRITE)).isFalse();
    for (String action :
        List.of(
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:GetObjectRetention",
            "s3:RestoreObject",
            "s3:ListMultipartUploadParts",
            "s3:DeleteObject")) {
      assertThat(policy.allows(action, own, USUAL)).as(action).isFalse();
    }
    for (String action :
        List.of("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads")) {
      assertThat(policy.allows(action, BUCKET, USUAL)).as(action).isFalse();
    }
  }

  @Test
  void nothingElseIsAllowed() throws IOException {
    int refused = 0;
    for (StoreRole role : StoreRole.values()) {
      Policy policy = policy(role);
      List<Request> forbidden = new ArrayList<>();
      for (String action :
          List.of(
              "s3:DeleteObjectVersion",
              "s3:BypassGovernanceRetention",
              "s3:PutObjectAcl",
              "s3:PutObjectLegalHold")) {
        forbidden.add(new Request(action, MAIN + "packs/t/p", USUAL));
        forbidden.add(new Request(action, MAIN + "leases/r/1", USUAL));
      }
      forbidden.add(new Request("s3:DeleteBucket", BUCKET, USUAL));
      if (role != StoreRole.ADMIN) {
        for (String action :
            List.of(
                "s3:PutLifecycleConfiguration",
                "s3:PutBucketPolicy",
                "s3:DeleteBucketPolicy",
                "s3:PutBucketVersioning",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketAcl",
                "s3:PutEncryptionConfiguration")) {
          forbidden.add(new Request(action, BUCKET, USUAL));
        }
      }
      for (String elsewhere :
          List.of(BUCKET + "/other/packs/t/p", BUCKET + "/mainly/p", BUCKET + "2/main/packs/p")) {
        for (String action : List.of("s3:GetObject", "s3:DeleteObject")) {
          forbidden.add(new Request(action, elsewhere, USUAL));
        }
        forbidden.add(new Request("s3:PutObject", elsewhere, NEW));
      }
      // Nothing that is there is replaced, and nothing travels in the clear.
      forbidden.add(new Request("s3:PutObject", MAIN + "packs/t/p", OVERWRITE));
      for (String action : List.of("s3:GetObject", "s3:PutObject", "s3:ListBucket")) {
        forbidden.add(
            new Request(
                action, MAIN + "packs/t/p", with(NEW, Map.of("aws:SecureTransport", "false"))));
      }
      forbidden.add(
          new Request("s3:ListBucket", BUCKET, with(USUAL, Map.of("s3:prefix", "other/"))));
      for (Request request : forbidden) {
        assertThat(policy.allows(request.action, request.resource, request.context))
            .as("%s %s", role, request)
            .isFalse();
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(100);
  }

  /** Who locks others out of their data by a key of his own needs no right to delete it. */
  @Test
  void c16NobodyMaySealUnderAKeyOfHisOwn() throws IOException {
    for (StoreRole role : StoreRole.values()) {
      for (Map<String, String> how : List.of(NEW, PART, OVERWRITE)) {
        assertThat(
                policy(role)
                    .allows(
                        "s3:PutObject",
                        MAIN + "packs/t/p",
                        with(
                            how,
                            Map.of(
                                "s3:x-amz-server-side-encryption-customer-algorithm", "AES256"))))
            .as("%s, %s", role, how)
            .isFalse();
      }
    }
  }

  private record Request(String action, String resource, Map<String, String> context) {}

  private static Map<String, String> with(Map<String, String> some, Map<String, String> more) {
    Map<String, String> all = new HashMap<>(some);
    all.putAll(more);
    return all;
  }

  private record Statement(
      String effect, List<String> actions, List<String> resources, String condition) {
    boolean matches(String action, String resource, Map<String, String> context) {
      return actions.stream().anyMatch(one -> like(one, action))
          && resources.stream().anyMatch(one -> like(one, resource))
          && met(context);
    }

    private boolean met(Map<String, String> context) {
      Matcher test =
          Pattern.compile("\"(Null|Bool|StringLike)\": \\{\"([^\"]+)\": \\[?\"([^\"]+)\"]?}")
              .matcher(condition);
      int tests = 0;
      boolean met = true;
      while (test.find()) {
        tests++;
        String value = context.get(test.group(2));
        String wanted = test.group(3);
        met &=
            switch (test.group(1)) {
              case "Null" -> wanted.equals(Boolean.toString(value == null));
              case "Bool" -> wanted.equals(value);
              default -> value != null && like(wanted, value);
            };
      }
      assertThat(tests > 0).as(condition).isEqualTo(!condition.isEmpty());
      return met;
    }

    private static boolean like(String pattern, String text) {
      return text.matches(Pattern.quote(pattern).replace("*", "\\E.*\\Q"));
    }
  }

  private record Policy(List<Statement> statements) {
    boolean allows(String action, String resource, Map<String, String> context) {
      boolean allowed = false;
      for (Statement statement : statements) {
        if (statement.matches(action, resource, context)) {
          if (statement.effect.equals("Deny")) {
            return false;
          }
          allowed = true;
        }
      }
      return allowed;
    }
  }

  private static Policy policy(StoreRole role) throws IOException {
    String text =
        new S3ObjectStoreFactory().policy(URI.create("s3://vault/main"), role).orElseThrow();
    Matcher statement =
        Pattern.compile(
                "\"Effect\": \"(\\w+)\",\\s+\"Action\": \\[([^]]*)],\\s+\"Resource\": \\[([^]]*)]"
                    + "(?:,\\s+\"Condition\": \\{(.*)})?\\s*}")
            .matcher(text);
    List<Statement> statements = new ArrayList<>();
    while (statement.find()) {
      statements.add(
          new Statement(
              statement.group(1),
              words(statement.group(2)),
              words(statement.group(3)),
              statement.group(4) == null ? "" : statement.group(4)));
    }
    assertThat(statements).hasSize(text.split("\"Sid\"", -1).length - 1);
    return new Policy(statements);
  }

  private static List<String> words(String list) {
    return List.of(list.replace("\"", "").split(", "));
  }
}
