package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.KeySlot;
import com.thorbis.backup.crypto.KeySlots;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedReader;
import com.thorbis.backup.crypto.SigningPublicKey;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Secret;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UTFDataFormatException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A set of secrets that was opened: which there are, and their values one by one. That entries were
 * exchanged, renamed, dropped, moved, or put back from another set is found when it is opened or
 * when the entry is, and said with its name. Closing erases the key. Used by one thread.
 */
public final class SecretsSet implements AutoCloseable {
  private final EpochKey key;
  private final SetIndex index;
  private final SetOrigin origin;
  private final Optional<SigningPublicKey> writer;
  private final Map<ObjectId, byte[]> sealed;

  private SecretsSet(
      EpochKey key,
      SetIndex index,
      SetOrigin origin,
      Optional<SigningPublicKey> writer,
      Map<ObjectId, byte[]> sealed) {
    this.key = key;
    this.index = index;
    this.origin = origin;
    this.writer = writer;
    this.sealed = sealed;
  }

  /**
   * What is known of a set that is to be opened.
   *
   * @param set its name: one of another name is refused
   */
  public static Builder builder(String set) {
    return new Builder(set);
  }

  /** Collects what a set has to be, and opens it. */
  public static final class Builder {
    private final String set;
    private final List<KeyProvider> recipients = new ArrayList<>();
    private final List<SigningPublicKey> writers = new ArrayList<>();
    private @Nullable ObjectId repository;
    private @Nullable SetOrigin newest;

    private Builder(String set) {
      this.set = set;
    }

    /** The repository that the set belongs to. */
    public Builder repository(ObjectId id) {
      this.repository = id;
      return this;
    }

    /** One who can open it, perhaps; one of them is enough. Stays the caller's. */
    public Builder recipient(KeyProvider recipient) {
      recipients.add(recipient);
      return this;
    }

    /**
     * One who may have written it. If none is named, a set that anybody made opens, who needs the
     * recipient's public key alone to make one.
     */
    public Builder writer(SigningPublicKey allowed) {
      writers.add(allowed);
      return this;
    }

    /** The newest set of this name that is known of: an older one is refused. */
    public Builder newest(SetOrigin known) {
      this.newest = known;
      return this;
    }

    /**
     * Opens the set, and looks whether all its entries are in their places.
     *
     * @param in read to its end, up to 64 MiB; not closed
     * @throws SetException if it is not what was stored, of another name, of a writer who is none,
     *     or older than the newest
     * @throws com.thorbis.backup.spi.crypto.KeyException if no recipient opens it
     */
    public SecretsSet open(InputStream in) throws IOException {
      byte[] bytes = in.readNBytes(SetFormat.MOST_BYTES + 1);
      if (bytes.length > SetFormat.MOST_BYTES) {
        throw SetFormat.malformed("is longer than " + SetFormat.MOST_BYTES + " bytes");
      }
      try {
        return SecretsSet.open(bytes, this);
      } catch (EOFException e) {
        throw SetFormat.malformed("ends early");
      } catch (UTFDataFormatException e) {
        throw SetFormat.malformed("has a recipient that is none");
      }
    }
  }

  private static SecretsSet open(byte[] bytes, Builder expected) throws IOException {
    ObjectId repository = Objects.requireNonNull(expected.repository, "repository");
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
    SetFormat.Header header = SetFormat.Header.decode(in);
    byte[] begin = Arrays.copyOf(bytes, bytes.length - in.available());
    if (!header.repository().equals(repository)) {
      throw SetFormat.malformed("belongs to another repository, " + header.repository());
    }
    byte[] list = part(in);
    List<byte[]> parts = parts(in);
    Optional<SigningPublicKey> writer = writer(bytes, in);
    requireWriter(expected, header.id(), writer);
    EpochKey key =
        KeySlots.open(new KeySlot(repository, header.id(), 1), header.wraps(), expected.recipients);
    boolean opened = false;
    try {
      SetIndex index = index(key, header, begin, list);
      if (!index.set().equals(expected.set)) {
        throw new SetException(
            SetException.OTHER_SET,
            FailureKind.REFUSED,
            "The set of secrets is \"" + index.set() + "\", and not \"" + expected.set + "\"",
            expected.set,
            "Find the set of this name, or open it by its own.",
            null);
      }
      SetOrigin origin =
          new SetOrigin(
              index.set(), header.id(), index.sequence(), SetFormat.sha256(bytes), index.created());
      if (expected.newest != null) {
        requireFresh(origin, index.previous(), expected.newest);
      }
      SecretsSet set =
          new SecretsSet(key, index, origin, writer, entries(parts, header.id(), index));
      opened = true;
      return set;
    } finally {
      if (!opened) {
        key.close();
      }
    }
  }

  private static byte[] part(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > in.available()) {
      throw SetFormat.malformed("ends early");
    }
    return in.readNBytes(length);
  }

  private static List<byte[]> parts(DataInputStream in) throws IOException {
    int count = in.readInt();
    if (count < 0 || count > SetFormat.MOST_ENTRIES) {
      throw SetFormat.malformed("counts " + count + " entries");
    }
    List<byte[]> parts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      parts.add(part(in));
    }
    return parts;
  }

  /** Who signed it; empty if nobody did. */
  private static Optional<SigningPublicKey> writer(byte[] bytes, DataInputStream in)
      throws IOException {
    int end = bytes.length - in.available();
    int signatures = in.readUnsignedByte();
    if (signatures > 1) {
      throw SetFormat.malformed("has " + signatures + " signatures");
    }
    byte[] encoded = new byte[signatures * SigningPublicKey.LENGTH];
    byte[] signature = new byte[signatures * SigningPublicKey.SIGNATURE];
    in.readFully(encoded);
    in.readFully(signature);
    if (in.available() > 0) {
      throw SetFormat.malformed("goes on after its end");
    }
    if (signatures == 0) {
      return Optional.empty();
    }
    MessageDigest digest = SetFormat.newDigest();
    digest.update(bytes, 0, end);
    try {
      SigningPublicKey key = SigningPublicKey.of(encoded);
      if (key.verifies(SetFormat.signed(digest.digest()), signature)) {
        return Optional.of(key);
      }
    } catch (IllegalArgumentException e) {
      // Nobody can have such a key.
    }
    throw foreignWriter("The set of secrets was changed since it was signed");
  }

  private static void requireWriter(
      Builder expected, ObjectId id, Optional<SigningPublicKey> writer) throws SetException {
    if (expected.writers.isEmpty() || writer.filter(expected.writers::contains).isPresent()) {
      return;
    }
    throw foreignWriter(
        "The set of secrets "
            + id
            + writer
                .map(key -> " was signed by " + key + ", who may not write it")
                .orElse(" was signed by nobody"));
  }

  private static SetException foreignWriter(String problem) {
    return new SetException(
        SetException.FOREIGN_WRITER,
        FailureKind.REFUSED,
        problem,
        "The set of secrets",
        "Read the set from another copy, or name its writer if it is one.",
        null);
  }

  private static SetIndex index(EpochKey key, SetFormat.Header header, byte[] begin, byte[] sealed)
      throws IOException {
    ObjectHeader about = ObjectHeader.of(ObjectType.SECRET, key.slot(), header.id());
    try (InputStream plain =
        SealedReader.open(
            new ByteArrayInputStream(sealed), key, about, SetFormat.indexName(begin))) {
      return SetFormat.decode(plain.readAllBytes());
    } catch (MalformedObjectException e) {
      throw SetException.damaged(
          SetException.INDEX_ALTERED,
          "The set of secrets " + header.id(),
          "its list of entries, or what stands before it, was changed");
    }
  }

  private static void requireFresh(SetOrigin found, String previous, SetOrigin newest)
      throws SetException {
    if (found.sequence() == newest.sequence() + 1 && !previous.equals(newest.digest())) {
      throw new SetException(
          SetException.FORKED,
          FailureKind.REFUSED,
          "The set of secrets \""
              + found.set()
              + "\" number "
              + found.sequence()
              + " of "
              + found.created()
              + " does not follow number "
              + newest.sequence()
              + " of "
              + newest.created(),
          found.set(),
          "Find who else writes sets of this name, or open this one expressly without what is known"
              + " of the newest.",
          null);
    }
    boolean older = found.sequence() < newest.sequence();
    boolean other =
        found.sequence() == newest.sequence() && !found.digest().equals(newest.digest());
    if (!found.set().equals(newest.set()) || older || other) {
      throw new SetException(
          SetException.STALE,
          FailureKind.REFUSED,
          "The set of secrets \""
              + found.set()
              + "\" number "
              + found.sequence()
              + " of "
              + found.created()
              + " is not the newest: number "
              + newest.sequence()
              + " of \""
              + newest.set()
              + "\" was made at "
              + newest.created(),
          found.set(),
          "Find the newest one, or open this one expressly without what is known of the newest.",
          null);
    }
  }

  /** What stands where, which needs no key: every entry says its id in plain. */
  private static Map<ObjectId, byte[]> entries(List<byte[]> parts, ObjectId set, SetIndex index)
      throws IOException {
    Map<ObjectId, SetIndex.Entry> named = new LinkedHashMap<>();
    for (SetIndex.Entry entry : index.entries()) {
      entry.object().ifPresent(object -> named.put(object, entry));
    }
    Map<ObjectId, byte[]> found = new LinkedHashMap<>();
    List<SetIndex.Entry> order = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      byte[] bytes = parts.get(i);
      ObjectHeader header;
      try {
        header = ObjectHeader.decode(bytes);
      } catch (MalformedObjectException e) {
        throw foreign(i, "is no sealed entry");
      }
      if (!header.tree().equals(set)) {
        throw foreign(i, "is of another set, " + header.tree());
      }
      SetIndex.Entry entry = named.get(header.object());
      if (entry == null) {
        throw foreign(i, "is not in the list");
      }
      if (found.put(header.object(), bytes) != null) {
        throw SetException.damaged(
            SetException.EXCHANGED, index.describe(entry), "stands twice in the set");
      }
      order.add(entry);
    }
    for (Map.Entry<ObjectId, SetIndex.Entry> entry : named.entrySet()) {
      if (!found.containsKey(entry.getKey())) {
        throw SetException.damaged(
            SetException.MISSING, index.describe(entry.getValue()), "is gone from the set");
      }
    }
    int place = 0;
    for (SetIndex.Entry entry : named.values()) {
      SetIndex.Entry stands = order.get(place++);
      if (!stands.equals(entry)) {
        throw SetException.damaged(
            SetException.EXCHANGED,
            index.describe(entry),
            "the bytes of " + index.describe(stands) + " stand in its place");
      }
    }
    return new HashMap<>(found);
  }

  private static SetException foreign(int place, String problem) {
    return SetException.damaged(
        SetException.FOREIGN, "Entry " + (place + 1) + " of the set of secrets", problem);
  }

  /** Which set it is. */
  public SetOrigin origin() {
    return origin;
  }

  /** Who signed it; empty if nobody did. */
  public Optional<SigningPublicKey> writer() {
    return writer;
  }

  /** All secrets that it tells of, with and without values. */
  public List<StoredSecret> secrets() {
    List<StoredSecret> secrets = new ArrayList<>();
    for (int i = 0; i < index.entries().size(); i++) {
      SetIndex.Entry entry = index.entries().get(i);
      SetIndex.Source source = index.sources().get(entry.source());
      secrets.add(
          new StoredSecret(
              i,
              source.type(),
              source.instance(),
              entry.info(),
              entry.object().isPresent(),
              entry.failure()));
    }
    return List.copyOf(secrets);
  }

  /** The places that could not be listed when it was made: kind and place, and the code of why. */
  public Map<String, String> sourcesNotRead() {
    Map<String, String> failed = new LinkedHashMap<>();
    for (SetIndex.Source source : index.sources()) {
      source.failure().ifPresent(code -> failed.put(source.name(), code));
    }
    return failed;
  }

  /** What each place did not give back: kind and place, and what. */
  public Map<String, List<Limit>> limits() {
    Map<String, List<Limit>> limits = new LinkedHashMap<>();
    index.sources().forEach(source -> limits.put(source.name(), source.limits()));
    return limits;
  }

  /** How a secret is replaced by a new one. */
  String rotation(StoredSecret secret) {
    return index.sources().get(index.entries().get(secret.ordinal()).source()).rotation();
  }

  /**
   * The value of a secret. The caller closes it.
   *
   * @throws SetException if its bytes, or what the set says of it, were changed
   * @throws IllegalArgumentException if the set has no value of it
   */
  public Secret open(StoredSecret secret) throws IOException {
    SetIndex.Entry entry = index.entries().get(secret.ordinal());
    ObjectId object =
        entry
            .object()
            .orElseThrow(() -> new IllegalArgumentException("No value: " + index.describe(entry)));
    String name =
        SetFormat.entryName(
            index.set(),
            index.sequence(),
            index.sources().get(entry.source()),
            entry.info(),
            secret.ordinal(),
            index.entries().size());
    byte[] bytes = sealed.get(object);
    byte[] plain = new byte[0];
    try (InputStream in =
        SealedReader.open(
            new ByteArrayInputStream(bytes == null ? new byte[0] : bytes),
            key,
            ObjectHeader.of(ObjectType.SECRET, key.slot(), object),
            name)) {
      plain = in.readAllBytes();
      int length = plain.length < Integer.BYTES ? -1 : ByteBuffer.wrap(plain).getInt();
      if (length < 0 || length > plain.length - Integer.BYTES) {
        throw altered(entry);
      }
      byte[] value = Arrays.copyOfRange(plain, Integer.BYTES, Integer.BYTES + length);
      try {
        return new Secret(entry.info(), SecretValue.copyOf(value));
      } finally {
        Arrays.fill(value, (byte) 0);
      }
    } catch (MalformedObjectException e) {
      throw altered(entry);
    } finally {
      Arrays.fill(plain, (byte) 0);
    }
  }

  private SetException altered(SetIndex.Entry entry) {
    return SetException.damaged(
        SetException.ALTERED,
        index.describe(entry),
        "was changed, or sealed as another secret, version or place than the list says");
  }

  /**
   * Opens every value, and gives none away.
   *
   * @return what is wrong with which; empty if nothing is
   */
  public List<SetException> verify() throws IOException {
    List<SetException> problems = new ArrayList<>();
    for (StoredSecret secret : secrets()) {
      if (secret.sealed()) {
        try {
          open(secret).close();
        } catch (SetException e) {
          problems.add(e);
        }
      }
    }
    return problems;
  }

  /** Erases the key. */
  @Override
  public void close() {
    key.close();
  }

  /** Says only which set it is. */
  @Override
  public String toString() {
    return "SecretsSet[" + origin.set() + " " + origin.sequence() + "]";
  }
}
