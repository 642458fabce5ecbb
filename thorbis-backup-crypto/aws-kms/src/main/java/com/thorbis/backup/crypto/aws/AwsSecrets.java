package com.thorbis.backup.crypto.aws;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Listing;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.WriteCondition;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.secretsmanager.model.BatchGetSecretValueResponse;
import software.amazon.awssdk.services.secretsmanager.model.CreateSecretRequest;
import software.amazon.awssdk.services.secretsmanager.model.DescribeSecretResponse;
import software.amazon.awssdk.services.secretsmanager.model.GetSecretValueResponse;
import software.amazon.awssdk.services.secretsmanager.model.InvalidParameterException;
import software.amazon.awssdk.services.secretsmanager.model.InvalidRequestException;
import software.amazon.awssdk.services.secretsmanager.model.ListSecretsResponse;
import software.amazon.awssdk.services.secretsmanager.model.PutSecretValueRequest;
import software.amazon.awssdk.services.secretsmanager.model.ResourceExistsException;
import software.amazon.awssdk.services.secretsmanager.model.ResourceNotFoundException;
import software.amazon.awssdk.services.secretsmanager.model.SecretListEntry;
import software.amazon.awssdk.services.secretsmanager.model.SecretValueEntry;
import software.amazon.awssdk.services.secretsmanager.model.Tag;

/**
 * The secrets of AWS Secrets Manager in one account and region: the current version of each. A new
 * value becomes the current version only if the one that was looked at still is: the service checks
 * that when it moves the label. Needs {@code ListSecrets}, {@code DescribeSecret}, {@code
 * GetSecretValue} and {@code kms:Decrypt}; with {@code BatchGetSecretValue} it asks for 20 at a
 * time. To restore, {@code CreateSecret}, {@code TagResource}, {@code PutSecretValue} and {@code
 * UpdateSecretVersionStage}.
 */
public final class AwsSecrets implements SecretTarget {
  /** The type of this place. */
  public static final String TYPE = "aws-secrets-manager";

  /** The format of values that are bytes. */
  public static final String BINARY = "aws-secrets-manager/binary";

  /** The code of a secret that somebody deleted, as long as it can be brought back. */
  public static final String DELETED = "secrets.scheduled-for-deletion";

  private static final String CURRENT = "AWSCURRENT";

  /** One label that moves: a secret has few, and each that stays behind takes one. */
  private static final String PENDING = "thorbis-pending";

  /** The version of a secret that was made without a value. */
  private static final String NO_VERSION = "none";

  private static final String DESCRIPTION = "description";
  private static final String KMS_KEY = "kms-key-id";
  private static final String OWNER = "owner";
  private static final String TAG = "tag.";
  private static final int PAGE = 100;
  private static final int BATCH = 20;
  private static final int MOST_BYTES = 65_536;
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9/_+=.@-]{1,512}");
  private static final Pattern ACCOUNT = Pattern.compile("[0-9]{12}");
  private static final Pattern REGION = Pattern.compile("[a-z0-9-]{1,32}");

  private final SecretsManagerClient client;
  private final String account;
  private final String region;
  private final String prefix;
  private final Optional<String> kmsKey;
  private final Runnable release;
  private final List<String> order = new ArrayList<>();
  private final Map<String, Secret> ahead = new HashMap<>();
  private Optional<SecretException> misplaced = Optional.empty();
  private boolean batches;
  private int next;

  private AwsSecrets(Builder builder) {
    client = Objects.requireNonNull(builder.client, "client");
    account = Objects.requireNonNull(builder.account, "account");
    region = Objects.requireNonNull(builder.region, "region");
    prefix = builder.prefix;
    kmsKey = Optional.ofNullable(builder.kmsKey);
    release = builder.release;
  }

  /** Over a client of the host's own. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what a place needs. */
  public static final class Builder {
    private @Nullable SecretsManagerClient client;
    private @Nullable String account;
    private @Nullable String region;
    private @Nullable String kmsKey;
    private String prefix = "";
    private Runnable release = () -> {};

    private Builder() {}

    /** Asks through this client, of the place's region; its owner closes it. */
    public Builder client(SecretsManagerClient own) {
      this.client = own;
      return this;
    }

    /**
     * The account, with 12 digits. Secrets of another one are refused.
     *
     * @throws BackupException of kind CONFIGURATION if it is none
     */
    public Builder account(String digits) {
      this.account = require(ACCOUNT, digits, "account", "Write its 12 digits.");
      return this;
    }

    /**
     * The region, such as {@code eu-central-1}.
     *
     * @throws BackupException of kind CONFIGURATION if it is none
     */
    public Builder region(String name) {
      this.region = require(REGION, name, "region", "Write it like eu-central-1.");
      return this;
    }

    /** What the names of its secrets begin with; all if not given. */
    public Builder prefix(String begin) {
      this.prefix = begin;
      return this;
    }

    /** The KMS key that seals secrets that are made anew, in place of the one they had. */
    public Builder kmsKeyId(String idOrArn) {
      this.kmsKey = idOrArn;
      return this;
    }

    /** What {@link #close} ends. */
    Builder release(Runnable ending) {
      this.release = ending;
      return this;
    }

    /** The place; nobody is asked yet. */
    public AwsSecrets build() {
      return new AwsSecrets(this);
    }

    private static String require(Pattern form, String text, String setting, String remedy) {
      if (!form.matcher(text).matches()) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                TYPE + ": " + setting + ": \"" + text + "\" is none")
            .remedy(remedy)
            .build();
      }
      return text;
    }
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public String instance() {
    return account + " " + region + (prefix.isEmpty() ? "" : " " + prefix);
  }

  @Override
  public List<Limit> limits() {
    return List.of(
        new Limit(
            "Versions before the current one",
            Readability.NOT_EXPORTABLE,
            "They stay at the service as long as it keeps them."),
        new Limit(
            "Secrets that are scheduled for deletion",
            Readability.NOT_EXPORTABLE,
            "Each is a named gap: bring it back with RestoreSecret, then back up again."),
        new Limit(
            "Policies, schedules of rotation and replicas in other regions",
            Readability.NOT_EXPORTABLE,
            "Set them again by hand."));
  }

  @Override
  public String rotation() {
    return "Issue a new value where it comes from, and put it as a new version of the secret.";
  }

  @Override
  public List<SecretInfo> list() throws IOException {
    return survey().requireWhole();
  }

  /** A secret that is scheduled for deletion cannot be looked at, and is not gone. */
  @Override
  public Listing survey() throws IOException {
    forget();
    String action = "list the secrets of " + instance();
    List<SecretInfo> found = new ArrayList<>();
    SortedMap<String, SecretException> unseen = new TreeMap<>();
    Set<String> pages = new HashSet<>();
    String token = null;
    do {
      String from = token;
      ListSecretsResponse page;
      try {
        page =
            client.listSecrets(
                ask -> ask.includePlannedDeletion(true).maxResults(PAGE).nextToken(from));
      } catch (SdkException e) {
        throw SecretFailures.read(action, e);
      }
      for (SecretListEntry entry : page.secretList()) {
        requireAccount(action, entry.arn());
        if (!entry.name().startsWith(prefix)) {
          continue;
        }
        if (entry.deletedDate() != null) {
          unseen.put(entry.name(), deleted(entry.name(), entry.deletedDate()));
        } else {
          found.add(info(entry));
        }
      }
      token = page.nextToken();
      if (token != null && !pages.add(token)) {
        throw SecretFailures.unexpected(action, "it brings the same secrets page after page");
      }
    } while (token != null);
    found.forEach(info -> order.add(info.name()));
    batches = true;
    return new Listing(found, unseen);
  }

  private static SecretInfo info(SecretListEntry entry) {
    return info(
        entry.name(),
        current(entry.secretVersionsToStages()),
        entry.lastChangedDate(),
        entry.description(),
        entry.kmsKeyId(),
        entry.owningService(),
        entry.tags());
  }

  private static SecretInfo info(DescribeSecretResponse answer) {
    return info(
        answer.name(),
        current(answer.versionIdsToStages()),
        answer.lastChangedDate(),
        answer.description(),
        answer.kmsKeyId(),
        answer.owningService(),
        answer.tags());
  }

  private static SecretInfo info(
      String name,
      String version,
      @Nullable Instant changed,
      @Nullable String description,
      @Nullable String kmsKey,
      @Nullable String owner,
      List<Tag> tags) {
    Map<String, String> attributes = new TreeMap<>();
    if (description != null && !description.isEmpty()) {
      attributes.put(DESCRIPTION, description);
    }
    if (kmsKey != null) {
      attributes.put(KMS_KEY, kmsKey);
    }
    if (owner != null) {
      attributes.put(OWNER, owner);
    }
    tags.forEach(tag -> attributes.put(TAG + tag.key(), tag.value()));
    return SecretInfo.of(name, Readability.VALUE_WITH_PERMISSION)
        .withVersion(version)
        .withUpdated(Optional.ofNullable(changed))
        .withAttributes(attributes);
  }

  private static String current(Map<String, List<String>> stages) {
    return stages.entrySet().stream()
        .filter(version -> version.getValue().contains(CURRENT))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(NO_VERSION);
  }

  @Override
  public Optional<SecretInfo> find(String name) throws IOException {
    return describe(name).map(AwsSecrets::info);
  }

  /** Empty if it is positively not there. */
  private Optional<DescribeSecretResponse> describe(String name) throws IOException {
    String action = "look at " + name + " of " + instance();
    DescribeSecretResponse answer;
    try {
      answer = client.describeSecret(ask -> ask.secretId(name));
    } catch (ResourceNotFoundException e) {
      return Optional.empty();
    } catch (SdkException e) {
      throw SecretFailures.read(action, e);
    }
    requireAccount(action, answer.arn());
    if (!answer.name().equals(name)) {
      throw SecretFailures.unexpected(action, "it answered with another secret");
    }
    if (answer.deletedDate() != null) {
      throw deleted(name, answer.deletedDate());
    }
    return Optional.of(answer);
  }

  private static SecretException deleted(String name, Instant at) {
    return new SecretException(
        DELETED,
        FailureKind.REFUSED,
        name + ": was deleted, and is kept until its recovery window ends; scheduled at " + at,
        name,
        "Bring it back with RestoreSecret (aws secretsmanager restore-secret), then try again.",
        null);
  }

  /** Credentials of another account would show the secrets of that one. */
  private void requireAccount(String action, String arn) throws SecretException {
    if (!isHere(arn)) {
      throw new SecretException(
          SecretException.NO_SUCH_PLACE,
          FailureKind.CONFIGURATION,
          action + ": these credentials belong to another account, or the client to another region",
          action,
          "Correct the account, the region or the credentials.",
          null);
    }
  }

  private boolean isHere(String arn) {
    String[] parts = arn.split(":", 7);
    return parts.length == 7 && parts[3].equals(region) && parts[4].equals(account);
  }

  /** Whoever reads one after the other gets them by twenties. */
  @Override
  public Secret read(SecretInfo listed) throws IOException {
    String name = listed.name();
    if (next < order.size() && order.get(next).equals(name)) {
      if (batches && next > 0 && !ahead.containsKey(name)) {
        readAhead();
      }
      next++;
    } else {
      int place = order.indexOf(name);
      next = place < 0 ? next : place + 1;
    }
    Secret known = ahead.remove(name);
    if (known != null) {
      if (known.info().version().equals(listed.version())) {
        return new Secret(merge(listed, known.info()), known.value());
      }
      known.close();
    }
    return readOne(listed);
  }

  private static SecretInfo merge(SecretInfo listed, SecretInfo read) {
    return listed
        .withFormat(read.format())
        .withVersion(read.version())
        .withUpdated(read.updated().or(listed::updated));
  }

  private Secret readOne(SecretInfo listed) throws IOException {
    String name = listed.name();
    String action = "read " + name + " of " + instance();
    GetSecretValueResponse answer;
    try {
      answer = client.getSecretValue(ask -> ask.secretId(name).versionStage(CURRENT));
    } catch (ResourceNotFoundException e) {
      if (describe(name).isPresent()) {
        throw SecretFailures.unreadable(name, "it has no current version", "Put a value into it.");
      }
      throw new SecretException(
          SecretException.NOT_FOUND,
          FailureKind.NOT_FOUND,
          name + " is not in " + instance() + " any more",
          name,
          "",
          null);
    } catch (InvalidRequestException e) {
      describe(name); // says so if it was deleted
      throw SecretFailures.read(action, e);
    } catch (SdkException e) {
      throw SecretFailures.read(action, e);
    }
    requireAccount(action, answer.arn());
    if (!answer.name().equals(name)) {
      throw SecretFailures.unexpected(action, "it answered with another secret");
    }
    Secret read =
        secret(
            name,
            answer.versionId(),
            answer.createdDate(),
            answer.secretString(),
            answer.secretBinary());
    return new Secret(merge(listed, read.info()), read.value());
  }

  private static Secret secret(
      String name,
      String version,
      @Nullable Instant created,
      @Nullable String text,
      @Nullable SdkBytes bytes)
      throws SecretException {
    SecretInfo info =
        SecretInfo.of(name, Readability.VALUE_WITH_PERMISSION)
            .withVersion(version)
            .withUpdated(Optional.ofNullable(created));
    if (text != null) {
      return new Secret(info, SecretValue.ofText(text));
    }
    if (bytes == null) {
      throw SecretFailures.unexpected("read " + name, "it has neither a text nor bytes");
    }
    byte[] held = bytes.asByteArrayUnsafe();
    try {
      return new Secret(info.withFormat(BINARY), SecretValue.copyOf(held));
    } finally {
      Arrays.fill(held, (byte) 0);
    }
  }

  /** What does not come this way is asked for alone, which tells why. */
  private void readAhead() throws IOException {
    List<String> names = order.subList(next, Math.min(next + BATCH, order.size()));
    forgetAhead();
    BatchGetSecretValueResponse answer;
    try {
      answer = client.batchGetSecretValue(ask -> ask.secretIdList(names));
    } catch (SdkException e) {
      batches = false;
      return;
    }
    for (SecretValueEntry entry : answer.secretValues()) {
      requireAccount("read " + names.size() + " secrets of " + instance(), entry.arn());
      if (names.contains(entry.name()) && entry.versionStages().contains(CURRENT)) {
        Secret read =
            secret(
                entry.name(),
                entry.versionId(),
                entry.createdDate(),
                entry.secretString(),
                entry.secretBinary());
        Secret before = ahead.put(entry.name(), read);
        if (before != null) {
          before.close();
        }
      }
    }
  }

  private void forget() {
    forgetAhead();
    order.clear();
    next = 0;
    batches = false;
  }

  private void forgetAhead() {
    ahead.values().forEach(Secret::close);
    ahead.clear();
  }

  /** All but the first value of a secret that was made without one. */
  @Override
  public boolean conditional() {
    return true;
  }

  @Override
  public Optional<String> refusal(SecretInfo secret) {
    if (!secret.format().equals(SecretInfo.TEXT) && !secret.format().equals(BINARY)) {
      return Optional.of("is " + secret.format() + ", and Secrets Manager takes text and bytes");
    }
    if (!NAME.matcher(secret.name()).matches()) {
      return Optional.of("a name in Secrets Manager has letters, digits and /_+=.@- only");
    }
    if (!secret.name().startsWith(prefix)) {
      return Optional.of("its name does not begin with " + prefix);
    }
    String owner = secret.attributes().get(OWNER);
    if (owner != null) {
      return Optional.of("is managed by " + owner + ", which makes it anew");
    }
    String key = secret.attributes().get(KMS_KEY);
    if (kmsKey.isEmpty()
        && key != null
        && key.startsWith("arn:")
        && !key.contains(":kms:" + region + ":")) {
      return Optional.of(
          "was sealed with a KMS key of another region: name one of here as kms-key-id");
    }
    return Optional.empty();
  }

  @Override
  public void write(SecretInfo secret, SecretValue value, WriteCondition condition)
      throws IOException {
    Optional<String> refusal = refusal(secret);
    if (refusal.isPresent()) {
      throw refused(secret.name(), refusal.get());
    }
    requireValue(secret, value);
    if (misplaced.isPresent()) {
      throw misplaced(secret.name() + " was not written", misplaced.get());
    }
    forgetAhead();
    if (condition instanceof WriteCondition.IfVersion expected) {
      replace(secret, value, expected.version());
    } else {
      create(secret, value);
    }
  }

  private static void requireValue(SecretInfo secret, SecretValue value) throws SecretException {
    String problem =
        value.useBytes(
            bytes -> {
              if (bytes.length == 0 || bytes.length > MOST_BYTES) {
                return "its value has " + bytes.length + " bytes, and 1 to " + MOST_BYTES + " go";
              }
              return secret.format().equals(BINARY) || isText(bytes)
                  ? ""
                  : "its value is not text in UTF-8";
            });
    if (!problem.isEmpty()) {
      throw refused(secret.name(), problem);
    }
  }

  private static boolean isText(byte[] bytes) {
    try {
      Arrays.fill(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).array(), '\0');
      return true;
    } catch (CharacterCodingException e) {
      return false;
    }
  }

  private void create(SecretInfo secret, SecretValue value) throws IOException {
    String name = secret.name();
    String action = "make " + name + " in " + instance();
    CreateSecretRequest.Builder request =
        CreateSecretRequest.builder()
            .name(name)
            .description(secret.attributes().get(DESCRIPTION))
            .kmsKeyId(kmsKey.orElse(secret.attributes().get(KMS_KEY)))
            .clientRequestToken(UUID.randomUUID().toString());
    List<Tag> tags =
        secret.attributes().entrySet().stream()
            .filter(tag -> tag.getKey().startsWith(TAG) && !tag.getKey().startsWith(TAG + "aws:"))
            .map(
                tag ->
                    Tag.builder()
                        .key(tag.getKey().substring(TAG.length()))
                        .value(tag.getValue())
                        .build())
            .toList();
    if (!tags.isEmpty()) {
      request.tags(tags);
    }
    if (secret.format().equals(BINARY)) {
      request.secretBinary(value.useBytes(SdkBytes::fromByteArray));
    } else {
      request.secretString(value.useChars(String::new));
    }
    String arn;
    try {
      arn = client.createSecret(request.build()).arn();
    } catch (ResourceExistsException e) {
      throw conflict(name);
    } catch (InvalidRequestException e) {
      describe(name); // one that was deleted holds its name
      throw SecretFailures.write(action, e);
    } catch (SdkException e) {
      throw SecretFailures.write(action, e);
    }
    if (!isHere(arn)) {
      String[] parts = (arn + "::::").split(":", 7);
      String where = "account " + parts[4] + ", region " + parts[3];
      SecretException failure =
          new SecretException(
              SecretException.NO_SUCH_PLACE,
              FailureKind.CONFIGURATION,
              action
                  + ": "
                  + name
                  + " was made in "
                  + where
                  + ", to which these credentials belong",
              name,
              "Delete " + name + " in " + where + "; then correct the account or the credentials.",
              null);
      misplaced = Optional.of(failure);
      throw failure;
    }
  }

  /** An empty place shows no account: the first secret that is made does, and is the last one. */
  private static SecretException misplaced(String problem, SecretException first) {
    return new SecretException(
        first.code(),
        first.kind(),
        problem + ": " + first.getMessage(),
        String.valueOf(first.details().get("secret")),
        first.remedy(),
        null);
  }

  /**
   * A version that is not current yet, and then its label: the service moves that from one only.
   */
  private void replace(SecretInfo secret, SecretValue value, String expected) throws IOException {
    String name = secret.name();
    String action = "write " + name + " to " + instance();
    DescribeSecretResponse standing = describe(name).orElseThrow(() -> conflict(name));
    if (!current(standing.versionIdsToStages()).equals(expected)) {
      throw conflict(name);
    }
    if (standing.owningService() != null) {
      throw refused(name, "it is managed by " + standing.owningService());
    }
    String version = UUID.randomUUID().toString();
    String label = expected.equals(NO_VERSION) ? CURRENT : PENDING;
    PutSecretValueRequest.Builder request =
        PutSecretValueRequest.builder()
            .secretId(name)
            .clientRequestToken(version)
            .versionStages(label);
    if (secret.format().equals(BINARY)) {
      request.secretBinary(value.useBytes(SdkBytes::fromByteArray));
    } else {
      request.secretString(value.useChars(String::new));
    }
    try {
      client.putSecretValue(request.build());
    } catch (SdkException e) {
      throw SecretFailures.write(action, e);
    }
    if (label.equals(CURRENT)) {
      return;
    }
    try {
      client.updateSecretVersionStage(
          ask ->
              ask.secretId(name)
                  .versionStage(CURRENT)
                  .moveToVersionId(version)
                  .removeFromVersionId(expected));
    } catch (InvalidParameterException | InvalidRequestException e) {
      String now = describe(name).map(answer -> current(answer.versionIdsToStages())).orElse("");
      if (!now.equals(version)) { // else an earlier attempt of the client moved it
        drop(name, version, label);
        throw now.equals(expected) ? SecretFailures.write(action, e) : conflict(name);
      }
    } catch (SdkException e) {
      throw SecretFailures.write(action, e);
    }
    drop(name, version, label);
  }

  /**
   * A version without a label is forgotten by the service; the next one takes a label that stays.
   */
  private void drop(String name, String version, String label) {
    try {
      client.updateSecretVersionStage(
          ask -> ask.secretId(name).versionStage(label).removeFromVersionId(version));
    } catch (SdkException e) {
      // The value is where it belongs, or nowhere: that is what counts.
    }
  }

  private SecretException conflict(String name) {
    return new SecretException(
        SecretException.CONFLICT,
        FailureKind.REFUSED,
        name + " in " + instance() + " was written by somebody else since it was looked at",
        name,
        "Plan again.",
        null);
  }

  private static SecretException refused(String name, String why) {
    return new SecretException(
        SecretException.REFUSED,
        FailureKind.REFUSED,
        name + ": " + why,
        name,
        "Nothing was written. Write it by hand, or restore it elsewhere.",
        null);
  }

  @Override
  public void close() {
    forget();
    release.run();
  }

  /** Says only which place it is. */
  @Override
  public String toString() {
    return TYPE + " " + instance();
  }
}
