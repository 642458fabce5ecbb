package com.thorbis.backup.storage.gcs;

import com.thorbis.backup.spi.storage.StoreRole;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Custom roles of Google Cloud IAM with the conditions to bind them under. Whoever may create and
 * not delete cannot overwrite either (Cloud Storage, "IAM permissions for JSON methods").
 */
final class Policies {
  private final String bucket;
  private final String folder;
  private final List<String> parts = new ArrayList<>();

  private Policies(String bucket, String prefix) {
    this.bucket = bucket;
    this.folder = prefix.isEmpty() ? "" : prefix + "/";
  }

  /** What one role is given, as a JSON array of roles and the condition of each binding. */
  static String of(String bucket, String prefix, StoreRole role) {
    Policies policies = new Policies(bucket, prefix);
    if (role == StoreRole.ADMIN) {
      policies.add(
          "admin",
          List.of(
              "storage.buckets.get",
              "storage.buckets.update",
              "storage.buckets.enableObjectRetention",
              "storage.buckets.getIamPolicy",
              "storage.buckets.setIamPolicy"),
          "resource.name == 'projects/_/buckets/" + bucket + "'");
      return policies.text();
    }
    List<String> permissions = new ArrayList<>();
    if (role.reads()) {
      policies.add(
          "lister",
          List.of("storage.objects.list"),
          "resource.name == 'projects/_/buckets/" + bucket + "'");
      permissions.add("storage.objects.get");
    }
    if (role.creates()) {
      permissions.add("storage.objects.create");
      permissions.add("storage.multipartUploads.create");
      permissions.add("storage.multipartUploads.abort");
      permissions.add("storage.objects.setRetention"); // longer; shorter needs another one
      if (role.reads()) {
        permissions.add("storage.objects.update");
      }
    }
    policies.add(role.label(), permissions, policies.below(List.of(role.createsBelow())));
    if (!role.removes().isEmpty()) {
      policies.add(
          role.label() + "-remover",
          List.of("storage.objects.delete"),
          policies.below(role.removes()));
    }
    return policies.text();
  }

  private String below(List<String> prefixes) {
    return prefixes.stream()
        .map(
            prefix ->
                "resource.name.startsWith('projects/_/buckets/"
                    + bucket
                    + "/objects/"
                    + folder
                    + prefix
                    + "')")
        .collect(Collectors.joining(" || "));
  }

  private void add(String title, List<String> permissions, String condition) {
    parts.add(
        """
          {
            "title": "thorbis %s",
            "stage": "GA",
            "includedPermissions": [%s],
            "condition": {
              "title": "thorbis %s of %s",
              "expression": "%s"
            }
          }"""
            .formatted(
                title,
                permissions.stream()
                    .map(permission -> '"' + permission + '"')
                    .collect(Collectors.joining(", ")),
                title,
                bucket,
                condition)
            .indent(2)
            .stripTrailing());
  }

  private String text() {
    return "[\n" + String.join(",\n", parts) + "\n]\n";
  }
}
