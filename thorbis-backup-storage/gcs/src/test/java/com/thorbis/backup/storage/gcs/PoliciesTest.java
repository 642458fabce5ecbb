package com.thorbis.backup.storage.gcs;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.StoreRole;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What IAM makes of the policies: each role can do its work, and nothing else is allowed. */
class PoliciesTest {
  private static final String BUCKET = "projects/_/buckets/vault";
  private static final List<String> OBJECTS =
      List.of(
          BUCKET + "/objects/main/repository",
          BUCKET + "/objects/main/packs/t/p",
          BUCKET + "/objects/main/commits/0000000000000001",
          BUCKET + "/objects/main/leases/r/1",
          BUCKET + "/objects/main/probe/x",
          BUCKET + "/objects/main/sessions/s/packs/t/p",
          BUCKET + "/objects/other/packs/t/p",
          BUCKET + "/objects/mainly/packs/t/p");
  private static final List<String> CALLS =
      List.of(
          "storage.objects.get",
          "storage.objects.create",
          "storage.objects.delete",
          "storage.objects.update",
          "storage.objects.setRetention",
          "storage.objects.overrideUnlockedRetention",
          "storage.objects.setIamPolicy",
          "storage.objects.restore",
          "storage.objects.move",
          "storage.buckets.update",
          "storage.buckets.delete",
          "storage.buckets.setIamPolicy");

  @Test
  void eachRoleMayDoItsWorkAndNothingElse() throws IOException {
    Set<String> create =
        Set.of(
            "storage.objects.get",
            "storage.objects.create",
            "storage.objects.update",
            "storage.objects.setRetention");
    int forbidden = 0;
    for (StoreRole role : StoreRole.values()) {
      List<Grant> grants = grants(role);
      for (String object : OBJECTS) {
        boolean ours = object.startsWith(BUCKET + "/objects/main/");
        boolean own = object.contains("/main/leases/") || object.contains("/main/probe/");
        Set<String> expected = new TreeSet<>();
        if (role == StoreRole.SEALED && object.contains("/main/sessions/")) {
          expected.addAll(Set.of("storage.objects.create", "storage.objects.setRetention"));
        }
        if (ours && role != StoreRole.ADMIN && role != StoreRole.SEALED) {
          expected.addAll(role.creates() ? create : Set.of("storage.objects.get"));
        }
        if (ours && (role == StoreRole.PRUNER || role == StoreRole.WRITER && own)) {
          expected.add("storage.objects.delete");
        }
        for (String call : CALLS) {
          boolean allowed = grants.stream().anyMatch(grant -> grant.allows(call, object));
          assertThat(allowed).as("%s %s %s", role, call, object).isEqualTo(expected.contains(call));
          forbidden += allowed ? 0 : 1;
        }
      }
      assertThat(grants.stream().anyMatch(grant -> grant.allows("storage.objects.list", BUCKET)))
          .isEqualTo(role != StoreRole.ADMIN && role != StoreRole.SEALED);
      assertThat(grants.stream().anyMatch(grant -> grant.allows("storage.buckets.update", BUCKET)))
          .isEqualTo(role == StoreRole.ADMIN);
    }
    assertThat(forbidden).isGreaterThan(100);
  }

  @Test
  void aWholeBucketNeedsNoPrefix() throws IOException {
    String text =
        new GcsObjectStoreFactory()
            .policy(URI.create("gs://vault"), StoreRole.READER)
            .orElseThrow();
    assertThat(text).contains("startsWith('" + BUCKET + "/objects/')");
  }

  /** A role and the condition of its binding. */
  private record Grant(Set<String> permissions, String condition) {
    boolean allows(String permission, String resource) {
      if (!permissions.contains(permission)) {
        return false;
      }
      boolean met = false;
      for (String term : condition.split(" \\|\\| ")) {
        Matcher starts = Pattern.compile("resource\\.name\\.startsWith\\('(.*)'\\)").matcher(term);
        Matcher equal = Pattern.compile("resource\\.name == '(.*)'").matcher(term);
        assertThat(starts.matches() || equal.matches()).as(term).isTrue();
        met |=
            starts.matches()
                ? resource.startsWith(starts.group(1))
                : resource.equals(equal.group(1));
      }
      return met;
    }
  }

  private static List<Grant> grants(StoreRole role) throws IOException {
    String text =
        new GcsObjectStoreFactory().policy(URI.create("gs://vault/main"), role).orElseThrow();
    Matcher part =
        Pattern.compile(
                "\"includedPermissions\": \\[([^]]*)].*?\"expression\": \"([^\"]*)\"",
                Pattern.DOTALL)
            .matcher(text);
    List<Grant> grants = new ArrayList<>();
    while (part.find()) {
      grants.add(new Grant(Set.of(part.group(1).replace("\"", "").split(", ")), part.group(2)));
    }
    assertThat(grants).isNotEmpty();
    return grants;
  }
}
